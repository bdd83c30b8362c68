#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sample influence beside statsmodels and NumPy, one thread, user time.

    OMP_NUM_THREADS=1 bench/influence.py BUILD-DIR
"""
import resource
import subprocess
import sys

import numpy as np
import statsmodels.api as sm


def user():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def best(work):
    times = []
    for _ in range(2):
        start = user()
        value = work()
        times.append(user() - start)
    return min(times), value


def cell(i, j):
    return np.fmod(np.sin((i * 131 + j * 71 + 1).astype(float)) * 43758.5453123, 1.0)


def rows(n, p):
    return cell(np.arange(n)[:, None], np.arange(p)[None, :])


def cook():
    n, p = 100000, 20
    x = rows(n, p)
    y = x[:, 0] - 2 * x[:, 1] + 3 * cell(np.arange(n), np.int64(1000))

    def closed():  # what statsmodels has without a refit for every sample
        i = sm.OLS(y, sm.add_constant(x)).fit().get_influence()
        return (i.cooks_distance[0], i.hat_matrix_diag, i.resid_studentized_internal,
                i.dffits_internal[0], i.resid_press)[0].max()

    def every():  # of a fiftieth of the samples: it grows with their number
        some = n // 50
        i = sm.OLS(y[:some], sm.add_constant(x[:some])).fit().get_influence()
        return (i.cooks_distance[0], i.resid_studentized_external, i.dffits[0],
                i.cov_ratio)[0].max()
    start = user()
    every()
    print(f"all of statsmodels' numbers, {n // 50} samples: {user() - start:.2f} s")
    return best(closed)


def head():
    n, p, q = 10000, 384, 100
    x = rows(n + q, p)
    y = (x[:, 0] - 2 * x[:, 1] + cell(np.arange(n + q), np.int64(1000)) > 0).astype(float)
    mean, scale = x[:n].mean(0), x[:n].std(0)
    z = np.hstack([(x - mean) / scale, np.ones((n + q, 1))])
    train, ask, yt, yq = z[:n], z[n:], y[:n], y[n:]
    penalty = np.diag(np.r_[np.full(p, 10.0), 0])
    w = np.zeros(p + 1)
    for _ in range(12):
        m = 1 / (1 + np.exp(-train @ w))
        w -= np.linalg.solve((train * (m * (1 - m))[:, None]).T @ train + penalty,
                             train.T @ (m - yt) + penalty @ w)

    def plain(own=False):
        m = 1 / (1 + np.exp(-train @ w))
        s = train * np.sqrt(m * (1 - m))[:, None]
        h = s.T @ s + penalty  # a symmetric product: half of the work
        g = m - yt
        f = (yq - 1 / (1 + np.exp(-ask @ w)))[:, None] * ask
        v = np.linalg.solve(h, f.T)
        scores = -g[:, None] * (train @ v)
        self_influence = (np.einsum("ij,ij->i", train @ np.linalg.inv(h), train)) * g * g
        return scores, self_influence

    def everything():
        scores, own = plain()
        features, queries = train[:, :p], ask[:, :p]
        both = features @ queries.T
        a = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(queries, axis=1)
        b = np.sqrt(np.square(features).sum(1) + 1)[:, None] * np.sqrt(np.square(queries).sum(1) + 1)
        return scores.max(), (both / a).max(), ((both + 1) / b).max()
    return best(everything), best(lambda: plain()[0].max())


def main():
    out = subprocess.run([sys.argv[1] + "/bench/bench_influence"], check=True, capture_output=True,
                         text=True).stdout
    glim = {line.split()[0]: [float(x) for x in line.split()[1:]] for line in out.splitlines()}
    one = cook()
    every, plain = head()
    peers = {"cook": one, "all": (every[0], every[1][0]), "plain": plain}
    for name, (seconds, value) in glim.items():
        peer, other = peers[name]
        print(f"{name:6} glim {seconds:.3f} s, peer {peer:.3f} s, ratio {peer / seconds:.2f}, "
              f"largest {value:.10g} and {other:.10g}")


if __name__ == "__main__":
    main()
