# The first step of every Python build: a virtual environment from pinned wheels, and the source tree.
import os, sys, tarfile, time, zipfile

if sys.version_info[:2] != (3, 13):
    sys.exit("found Python %d.%d, needed 3.13" % sys.version_info[:2])
inputs, sdist, hooks = sys.argv[1:]
env = os.path.abspath("env")
site = os.path.join(env, "lib/python3.13/site-packages")
scripts = os.path.join(env, "bin")
os.makedirs(site)
os.makedirs(scripts)
os.symlink("/usr/bin/python3", os.path.join(scripts, "python"))
os.symlink("python", os.path.join(scripts, "python3"))
with open(os.path.join(env, "pyvenv.cfg"), "w") as f:
    f.write("home = /usr/bin\ninclude-system-site-packages = false\n")
with open("hooks.py", "w") as f:
    f.write(hooks)

MAIN = """#!%s
import sys
from importlib.metadata import EntryPoint
sys.exit(EntryPoint("x", %r, "x").load()())
"""


def place(name):
    data, _, rest = name.partition(".data/")
    if not rest or "/" in data:
        return os.path.join(site, name)
    scheme, _, rest = rest.partition("/")
    base = {"scripts": scripts, "purelib": site, "platlib": site}.get(scheme, env)
    return os.path.join(base, rest)


def entry_points(text):
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[console_scripts]" and "=" in line:
            name, _, value = line.partition("=")
            yield os.path.join(scripts, name.strip()), value.split("[")[0].strip()


wheels = os.path.join(inputs, "wheels")
for wheel in sorted(os.listdir(wheels)) if os.path.isdir(wheels) else []:
    with zipfile.ZipFile(os.path.join(wheels, wheel)) as z:
        for info in z.infolist():
            path = os.path.normpath(place(info.filename))
            if os.path.commonpath([path, env]) != env:
                sys.exit("%s: %r leaves the environment" % (wheel, info.filename))
            if info.is_dir():
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = z.read(info)
            if data.startswith(b"#!python") and path.startswith(scripts):
                data = b"#!" + scripts.encode() + b"/python" + data[8:]
            with open(path, "wb") as f:
                f.write(data)
            if info.external_attr >> 16 & 0o111 or path.startswith(scripts):
                os.chmod(path, 0o755)
            if path.endswith(".dist-info/entry_points.txt"):
                for script, value in entry_points(data.decode()):
                    with open(script, "w") as f:
                        f.write(MAIN % (os.path.join(scripts, "python"), value))
                    os.chmod(script, 0o755)

sdist = os.path.join(inputs, sdist)
if sdist.endswith(".zip"):
    os.environ["TZ"] = "UTC"
    time.tzset()
    with zipfile.ZipFile(sdist) as z:
        for info in z.infolist():
            path = z.extract(info)
            stamp = time.mktime(info.date_time + (0, 0, -1))
            os.utime(path, (stamp, stamp))
else:
    with tarfile.open(sdist) as t:
        t.extractall(filter="data")
