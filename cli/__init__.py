"""How Soulfra is driven: the `soulfra` command and the launcher behind `make run`."""


def main() -> None:
    """The `soulfra` command."""
    from cli.main import run

    run()
