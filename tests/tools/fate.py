"""What became of two IDs, as rows of packaging/doc/other-tools.md."""

# Of one tick, one machine apart.
A = 647117817333678081
B = A + 1


def fate(a, b):
    if (str(a), str(b)) == (str(A), str(B)):
        return "exact, strings" if isinstance(a, str) else "exact"
    try:
        lost = float(a) == float(b) == float(A)
    except (TypeError, ValueError):
        lost = False
    return "rounded" if lost else f"{a!r} and {b!r}"


def found(ids):
    """What a search for A finds among both."""
    return {(A,): "finds that ID", (A, B): "finds both", (): "finds none"}.get(tuple(ids), repr(ids))


def row(what, became):
    print(f"| {what} | {became} |")
