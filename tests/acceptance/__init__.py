"""The public acceptance cases of a port from Kodosumi, P1 to P27, each against one running system."""
