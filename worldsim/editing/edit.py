"""`drivedit.edit`: change what stands in a world, and how it looks.

    from drivedit import edit
    truck = edit.Put(thing="truck", place=edit.AlongRoute(ahead=25, left=-3))
    env.reset(seed=0, options={"layout": [truck, edit.Look(name="fog")]})

A world's `reset` takes edits as its option `layout`, `env.edit` makes them in mid-drive, and `apply_edits` makes them
in a Layout alone.
"""

from worldsim.editing.apply import Standing as Standing
from worldsim.editing.apply import apply_edits as apply_edits
from worldsim.editing.edits import THINGS as THINGS
from worldsim.editing.edits import AlongRoute as AlongRoute
from worldsim.editing.edits import Edit as Edit
from worldsim.editing.edits import Look as Look
from worldsim.editing.edits import OnMap as OnMap
from worldsim.editing.edits import Put as Put
from worldsim.editing.edits import Remove as Remove
from worldsim.editing.edits import Repaint as Repaint
from worldsim.editing.edits import Thing as Thing
from worldsim.editing.edits import ThingName as ThingName
from worldsim.editing.edits import from_json as from_json
from worldsim.editing.edits import to_json as to_json
from worldsim.editing.places import RouteLine as RouteLine
