"""Asks in-toto-verify whether K of the given keys reproduced a file, by the links in a directory.

    in_toto_quorum.py K LINKS FILE KEY.pem...

LINKS holds `rebuild.<keyid>.link` files of one artifact; KEY.pem is a rebuilder's public key as
RFC 8410 has it. The layout is made here, for an owner key of its own: one step `rebuild` with
threshold K, and an inspection that FILE on disk is the step's product.
Exit: that of in-toto-verify (0 accepted, 1 refused), 3 when it is missing, 4 when this driver
itself failed.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )
    from in_toto.models.layout import Inspection, Layout, Step
    from in_toto.models.metadata import Envelope
    from securesystemslib.formats import encode_canonical
    from securesystemslib.signer import CryptoSigner
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)


def functionary(pem):
    """The key as layouts write it, under the id that in-toto gave keys of this form."""
    public = load_pem_public_key(Path(pem).read_bytes())
    key = {
        "keyid_hash_algorithms": ["sha256", "sha512"],
        "keytype": "ed25519",
        "keyval": {"public": public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()},
        "scheme": "ed25519",
    }
    return {"keyid": hashlib.sha256(encode_canonical(key).encode()).hexdigest(), **key}


def layout(need, name, keys):
    root = Layout()
    root.set_relative_expiration(days=1)
    root.keys = {key["keyid"]: key for key in keys}
    step = Step(name="rebuild")
    step.pubkeys = [key["keyid"] for key in keys]
    step.threshold = need
    step.expected_products = [["REQUIRE", name], ["CREATE", name], ["DISALLOW", "*"]]
    inspection = Inspection(name="on-disk")
    inspection.set_run_from_string("true")
    inspection.expected_materials = [
        ["REQUIRE", name],
        ["MATCH", name, "WITH", "PRODUCTS", "FROM", "rebuild"],
        ["DISALLOW", "*"],
    ]
    root.steps, root.inspect = [step], [inspection]
    return root


def main(need, links, file, pems):
    beside = Path(sys.executable).with_name("in-toto-verify")
    verify = str(beside) if beside.exists() else shutil.which("in-toto-verify")
    if verify is None:
        print("no in-toto-verify", file=sys.stderr)
        return 3
    owner = Ed25519PrivateKey.generate()
    root = layout(int(need), Path(file).name, [functionary(pem) for pem in pems])
    signed = Envelope.from_signable(root)
    signed.create_signature(CryptoSigner(owner))
    with tempfile.TemporaryDirectory() as home:
        # in-toto-verify takes the directory it stands in as what was delivered: only FILE.
        delivered = Path(home, "delivered")
        delivered.mkdir()
        shutil.copy(file, delivered)
        signed.dump(str(Path(home, "root.layout")))
        pem = Path(home, "owner.pem")
        public = owner.public_key()
        pem.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        command = [verify, "-l", str(Path(home, "root.layout")), "--verification-keys", str(pem)]
        command += ["--link-dir", str(Path(links).resolve())]
        return subprocess.run(command, cwd=delivered, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
    except Exception:
        # A fault here is no refusal, and Python would end with 1 for it.
        traceback.print_exc()
        sys.exit(4)
