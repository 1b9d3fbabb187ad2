"""`blindspot`: the cloud's command line, a Typer application over the REST API."""
