"""Small groups: what is said about fewer than three leads, and how two answers cannot be subtracted to learn more.

A group of one or two leads keeps its number and loses what describes its leads. Three rules keep a second answer from
giving it back:

- **Blocks.** The leads of a content item are numbered from the oldest one, and form blocks of three. Dates and sources
  are those of whole blocks. So two answers, also of two days, differ by whole blocks and never by a single lead.
- **Cells.** A count by source is shown per calendar month or not at all. Every answer shows a cell in the same way, and
  every sum is a sum of shown cells.
- **The rest.** Where one or two leads are left after everything that is shown, the smallest shown group is hidden too.
"""

from collections.abc import Collection, Iterable, Sequence

from zoho_pipeline.agents.limits import GROUP

OTHER = "(other)"


def is_small(number: float | None) -> bool:
    """Whether so many leads are too few to be described. None and 0 are not: nobody is in them."""
    return number is not None and 0 < number < GROUP


def in_whole_blocks(places: Iterable[int]) -> set[int]:
    """The places of those leads whose block of three is complete.

    >>> in_whole_blocks([2, 3, 4, 5, 6])
    {3, 4, 5}
    """
    known = set(places)
    return {place for place in known if all(place // GROUP * GROUP + step in known for step in range(GROUP))}


def cells(counts: Sequence[tuple[str, int]], most: int) -> tuple[list[tuple[str, int]], int]:
    """The cells that are shown, the largest first, and the number of leads of all other cells.

    Args:
        counts: (name, number of leads) of each cell; names are different.
        most: the most cells that are shown.
    """
    large = sorted((cell for cell in counts if cell[1] >= GROUP), key=lambda cell: (-cell[1], cell[0]))[:most]
    return large, sum(number for _, number in counts) - sum(number for _, number in large)


def also_hidden(shown: Collection[tuple[str, int]], total: int) -> set[str]:
    """The groups that must be hidden so that the rest of `total` has no one or two leads.

    Args:
        shown: (name, number of leads) of the groups that are large enough.
    """
    hidden: set[str] = set()
    rest = total - sum(number for _, number in shown)
    for name, number in sorted(shown, key=lambda group: (group[1], group[0])):
        if not is_small(rest):
            break
        hidden.add(name)
        rest += number
    return hidden
