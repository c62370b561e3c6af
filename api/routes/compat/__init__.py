"""Other systems' paths, for clients that were written for them: thin translations of the same core calls."""
