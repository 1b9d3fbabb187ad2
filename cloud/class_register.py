"""The hazard classes of a deployment: those of its configuration, and those added while the cloud runs.

Added classes are kept in the data folder and come last, in the order in which they were added. One that the
configuration names too is as the configuration describes it.
"""

import threading
from collections.abc import Sequence

from pydantic import TypeAdapter

from cloud.dry_runs import before_change
from cloud.settings import CloudSettings
from messaging.hazard_classes import HazardClass
from messaging.runtime.state_files import StateFile
from messaging.taxonomy import Taxonomy

_ADDED = TypeAdapter(tuple[HazardClass, ...])


class ClassRegister:
    """The classes of one data folder. Safe to use from several threads."""

    def __init__(self, settings: CloudSettings) -> None:
        """Raises `ConfigurationError`, `FileFault`, `StateFileBroken`."""
        self._configured = settings.taxonomy
        self._file = StateFile(settings.folder.classes, _ADDED)
        self._added = self._file.read() or ()
        self._lock = threading.Lock()

    @property
    def taxonomy(self) -> Taxonomy:
        """All classes of the deployment."""
        known = self._configured.names
        return self._configured.extended([one for one in self._added if one.name not in known])

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the added classes."""
        return tuple(one.name for one in self._added)

    def add(self, classes: Sequence[HazardClass]) -> Taxonomy:
        """Add classes at the end. Raises `ConfigurationError`: a name or its words are there already."""
        with self._lock:
            longer = self.taxonomy.extended(classes)
            added = (*self._added, *classes)
            before_change()
            self._file.write(added)
            self._added = added
        return longer
