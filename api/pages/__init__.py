"""HTML pages over the same core calls as the JSON routes."""
