"""How far long work is, and what is said meanwhile: bars on a terminal, plain lines elsewhere, JSON, or nothing.

Whoever works opens a `task` and advances it; who started the program decides by `using` where that is shown.
"""

from detector.base.reporting.current import say as say
from detector.base.reporting.current import task as task
from detector.base.reporting.current import track as track
from detector.base.reporting.current import using as using
from detector.base.reporting.current import warn as warn
from detector.base.reporting.json_log import JsonLog as JsonLog
from detector.base.reporting.tasks import Log as Log
from detector.base.reporting.tasks import Task as Task
from detector.base.reporting.text_log import QuietLog as QuietLog
from detector.base.reporting.text_log import TextLog as TextLog
