# SPDX-License-Identifier: Apache-2.0
"""Twenty-four sentences about films, written for these examples: enough to learn from."""

POSITIVE = """
a wonderful film with a warm heart
i loved every minute of it
the acting is superb and the music beautiful
a clever story, told with great charm
funny, moving and very well played
one of the best films of the year
the ending is beautiful and made me happy
great actors and a script full of wit
a fresh and charming little gem
i laughed a lot and enjoyed it
brilliant pictures and a gripping plot
a delight from beginning to end
"""

NEGATIVE = """
a boring film without any heart
i hated every minute of it
the acting is terrible and the music loud
a silly story, told without charm
dull, slow and badly played
one of the worst films of the year
the ending is awful and made me angry
bad actors and a script full of holes
a stale and tiresome waste of time
i yawned a lot and left early
ugly pictures and a confusing plot
a disaster from beginning to end
"""


def sentences():
    """Pairs of a text and its class."""
    for label, texts in (("negative", NEGATIVE), ("positive", POSITIVE)):
        for line in texts.strip().splitlines():
            yield line, label
