"""The errors of write-back.

PipelineError
├── WritebackRefused     a wish, or a decision on one, is not accepted
│   ├── WritebackOff     the channel's write-back is off, or broken
│   ├── ScopeMissing     the consent does not cover it
│   ├── LeadConverted    Zoho does not change converted leads
│   ├── StatusUnmapped   a word has no status at Zoho; `known` lists the words that have one
│   └── NotWaiting       the write-back does not wait for a decision
│       └── OtherQuestion   it waits, and about another status than the person saw
├── UnknownWriteback     there is none of this id
└── MapRefused           a map has a value that Zoho's list does not have
"""

from collections.abc import Sequence

from zoho_pipeline.settings import PipelineError


class WritebackRefused(PipelineError):
    """A wish, or a decision on one, is not accepted. Nothing was changed."""


class WritebackOff(WritebackRefused):
    """The channel's write-back is off, or broken."""


class ScopeMissing(WritebackRefused):
    """The consent of the channel does not allow changes of leads."""


class LeadConverted(WritebackRefused):
    """The lead was converted, and Zoho does not change converted leads."""


class StatusUnmapped(WritebackRefused):
    """A word has no status at Zoho.

    Attributes:
        field: `status` or `expected_status`.
        known: the words that are accepted.
    """

    def __init__(self, field: str, known: Sequence[str]) -> None:
        super().__init__(f"{field} is no status of the map, and no status of Zoho's list.")
        self.field, self.known = field, tuple(known)


class NotWaiting(WritebackRefused):
    """The write-back does not wait for a decision."""


class OtherQuestion(NotWaiting):
    """The write-back waits for a decision about another status than the person saw."""


class UnknownWriteback(PipelineError):
    """There is no write-back with this id."""


class MapRefused(PipelineError):
    """A map has a value that Zoho's list does not have, or the list cannot be read. Nothing was switched on."""
