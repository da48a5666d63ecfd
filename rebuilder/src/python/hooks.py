# Calls one hook of a build backend (PEP 517), as pip and build do: in a process of its own.
import importlib, json, os, sys

hook, backend, wheel, *path = sys.argv[1:]
sys.argv = sys.argv[:1]
sys.path[:0] = [os.path.abspath(part) for part in path]
module, _, name = backend.partition(":")
hooks = importlib.import_module(module)
for part in filter(None, name.split(".")):
    hooks = getattr(hooks, part)
if hook == "get_requires_for_build_wheel":
    asked = list(getattr(hooks, hook, lambda: [])())
    with open("../requires.json", "w") as f:
        json.dump(asked, f)
else:
    os.makedirs("../made")
    made = hooks.build_wheel(os.path.abspath("../made"))
    os.rename(os.path.join("../made", made), os.path.join("..", wheel))
