"""Why a service does not come up, and how seldom it is tried again."""

PAUSE_LAST_S = 30.0
INSTALL_AGAIN_S = 300.0  # what could not be installed is tried again so seldom


class ServiceFailed(Exception):
    """The service did not come up; the text says why, with the last lines it printed."""

    again_s = PAUSE_LAST_S  # the pauses between tries grow up to this


class DeployFailed(ServiceFailed):
    """What the service asks for could not be installed; the text says why, with the last lines of the installer."""

    again_s = INSTALL_AGAIN_S


class NotStarted(DeployFailed):
    """The program was imported and its lifespan raised: what it needs may only be away for a moment."""

    again_s = PAUSE_LAST_S


class HostLost(ServiceFailed):
    """The host was killed before it served, which alone says nothing about the service."""
