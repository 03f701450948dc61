"""`gpk demo`."""
import typer


def add_commands(app: typer.Typer) -> None:
    """Adds this module's command."""
