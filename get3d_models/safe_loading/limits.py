"""What a checkpoint from a stranger may cost, and the one exception by which reading it ends early."""

from dataclasses import dataclass, field

MEBIBYTE = 1 << 20

# A StyleGAN2 snapshot with three networks of 64 px takes 42,000 opcodes, GET3D generators 6,000; size does not matter.
# The costliest files found within this limit take 3 s (100,000 arrays of one number) and 250 MB (500,000 byte strings).
MAX_OPCODES = 500_000
# Deepest official nesting: G > synthesis > block > layer > affine > parameter, three containers for each module.
MAX_DEPTH = 100
# Values when every shared reference is followed separately, as whoever walks the result will do.
MAX_VALUES = 1_000_000
MAX_TEXT_BYTES = 32 * MEBIBYTE
MAX_ARCHIVE_ENTRIES = 50_000
MAX_RANK = 8
MAX_TENSOR_ELEMENTS = 1 << 40
# G, G_ema and a third dictionary may legitimately be views of the same weights; three thousand may not.
MAX_VIEWS_PER_BYTE = 4


class Unreadable(Exception):
    """Why a file is refused, without its name: `read_checkpoint` turns it into an `InputError` that names the file."""


class Damaged(Unreadable):
    """The file contradicts itself, as after a bad download."""

    def __init__(self, what: str) -> None:
        super().__init__(f"is damaged ({what}): get the file again")


class CutShort(Unreadable):
    """The file ends before its contents do."""

    def __init__(self) -> None:
        super().__init__("ends too early (was its download cut short?): get the file again")


class Suspicious(Unreadable):
    """The file does what no checkpoint needs; it may be damaged, or made to do harm."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; nothing was run. It is damaged or made to do harm: get it again from its authors")


@dataclass
class Budget:
    """What is left to spend on one file, over all the pickle streams inside it.

    Every length in the file is checked against the bytes present, but one run of bytes can be *referred to* many times
    (memo, nested streams, views of a storage). So whatever can multiply is paid for here.
    """

    file_bytes: int
    opcodes: int = MAX_OPCODES
    text_bytes: int = MAX_TEXT_BYTES
    copied_bytes: int = field(init=False)
    stream_bytes: int = field(init=False)
    tensor_bytes: int = field(init=False)
    # SHA-256 of the texts met as source code, by identity; the text itself is kept so that its identity stays its own.
    digests: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.copied_bytes = self.file_bytes + MEBIBYTE
        self.stream_bytes = 2 * self.file_bytes + MEBIBYTE  # the file itself, and once the streams inside it
        self.tensor_bytes = MAX_VIEWS_PER_BYTE * self.file_bytes + MEBIBYTE

    def spend(self, purpose: str, amount: int) -> None:
        """Take `amount` from `<purpose>`, one of the fields above; refuses when that is more than is left."""
        left = getattr(self, purpose) - amount
        if left < 0:
            raise Suspicious(f"holds more {purpose.replace('_', ' ')} than a file of {self.file_bytes:,} bytes should")
        setattr(self, purpose, left)
