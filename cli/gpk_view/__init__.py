"""The live viewer: the subject in a browser, turned with the mouse. Light: torch and viser arrive with the modules."""
