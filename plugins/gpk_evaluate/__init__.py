"""The paper's protocols and tables, for any persona of any backend. Light: torch arrives with what is imported."""
