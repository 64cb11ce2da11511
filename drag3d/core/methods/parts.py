"""The parts of the default method that can be left out, to see what each is worth."""

from __future__ import annotations

import difflib

from get3d_models.errors import InputError

PARTS: dict[str, str] = {
    "anchor": "handles are told by their neighbourhoods as they were at first, not one step ago",
    "strain": "neighbourhoods may turn and stretch",
    "level": "the signed field helps to tell a place",
    "decoder": "a place is told by the decoder's activations, not by the features of the planes (shapes)",
    "window": "what is near the handle counts more",
    "prediction": "handles are looked for where they should be, too",
    "snap": "handles are put back where a handle may be: on the surface, inside the image",
    "long-steps": "a step is eight units long, not one",
    "rest": "what nobody spoke of should rather stay",
    "coherence": "the neighbourhood of a handle should move, not change",
    "whitening": "changes are counted in standard deviations of generated latents",
    "likelihood": "a change has a price even where the rest stays",
    "pull": "what no equation asks for goes back to where the first drag began",
    "trust": "a step changes latents by so much at most",
    "bound": "and all steps together by so much",
}


def left_out(said: str) -> frozenset[str]:
    """The parts named in ``said``, with + between them; none in an empty one. InputError for what is no part."""
    names = frozenset(said.split("+")) if said else frozenset()
    for name in sorted(names - PARTS.keys()):
        nearest = difflib.get_close_matches(name, PARTS, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise InputError(f"the default method has no part {name[:40]!r}; {hint}It has: {', '.join(PARTS)}")
    return names
