#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `make install` and `make dist` give: a library that pkg-config finds and a stranger's program
links, an interface that has not changed, manuals, completions in real shells, an archive."""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))).resolve()
BUILD = GLIM.parents[2]
MODEL = ROOT / "tests/golden/models/llama.gguf"


def told(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, **more).stdout.decode()


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root], check=True)
        command, = root.glob("**/bin/glim")
        cls.root, cls.prefix = root, command.parents[1]
        cls.share = cls.prefix / "share"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_program_is_built_against_it(self):
        pc, = self.prefix.glob("lib/**/pkgconfig/glim.pc")
        environment = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(self.root))
        flags = told("pkg-config", "--cflags", "--libs", "glim", env=environment).split()
        self.assertEqual(told("pkg-config", "--modversion", "glim", env=environment).strip(),
                         told(GLIM, "--version").split()[1])
        program = self.root / "lens"
        subprocess.run(["cc", ROOT / "examples/lens.c", "-o", program, *flags], check=True)
        library = pc.parents[1]
        out = told(program, MODEL, "Hello small world", env=dict(os.environ, LD_LIBRARY_PATH=str(library)))
        self.assertTrue(out.strip())
        self.assertIn("libglim.so.0", told("readelf", "-d", program))
        cpp = self.root / "all.cc"
        cpp.write_text("#include <glim/glim.h>\nint main() { return !glim_version(); }\n")
        subprocess.run(["g++", "-fsyntax-only", "-Wall", "-Werror", cpp, *flags], check=True)

    def test_the_interface_is_the_recorded_one(self):
        subprocess.run([sys.executable, ROOT / "scripts/check-abi", BUILD / "libglim.so"], check=True)

    def test_every_command_has_a_manual(self):
        commands = [line.split()[0] for line in told(GLIM, "--help").splitlines()
                    if line.startswith("  ") and not line.startswith("   ")]
        self.assertGreater(len(commands), 15)
        for name in commands:
            page = self.share / f"man/man1/glim-{name}.1"
            self.assertIn(".Sh EXIT STATUS", page.read_text())

    def test_bash_completes(self):
        script = self.share / "bash-completion/completions/glim.bash"
        code = f"""source {script}; COMP_WORDS=(glim "$1" "$2"); COMP_CWORD=$3; _glim; echo "${{COMPREPLY[@]}}" """

        def complete(*words):
            return told("bash", "-c", code, "-", *words).split()
        self.assertIn("explain", complete("exp", "", "1"))
        self.assertIn("--method", complete("explain", "--me", "2"))
        self.assertIn("lime", complete("--method", "li", "2"))

    def test_fish_completes(self):
        script = self.share / "fish/vendor_completions.d/glim.fish"

        def complete(line):
            return [x.split("\t")[0] for x in told("fish", "--no-config", "-c", f"source {script}; complete -C'{line}'"
                                                   ).splitlines()]
        self.assertIn("explain", complete("glim exp"))
        self.assertIn("--method", complete("glim explain --me"))
        self.assertIn("lime", complete("glim explain --method li"))
        self.assertEqual(complete("glim explain --units sent"), ["sentence"])

    def test_zsh_reads_its_completion(self):
        told("zsh", "-n", str(self.share / "zsh/site-functions/_glim"))


class Archive(unittest.TestCase):
    def test_the_same_commit_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder, "tree")
            subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", tree], check=True)
            made = []
            for _ in range(2):
                shutil.rmtree(tree / "build", ignore_errors=True)
                out = tree / told(tree / "scripts/dist").strip()
                made.append(out.read_bytes())
                subprocess.run(["sha256sum", "--quiet", "-c", f"{out.name}.sha256"], cwd=out.parent, check=True)
            self.assertEqual(made[0], made[1])
            with tarfile.open(out) as archive:
                names = archive.getnames()
            root = names[0].split("/")[0]
            for name in ("meson.build", "include/glim/glim.h", "LICENSE", "web/package-lock.json", "pyproject.toml"):
                self.assertIn(f"{root}/{name}", names)


if __name__ == "__main__":
    unittest.main()
