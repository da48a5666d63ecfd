"""Counts, with securesystemslib and in-toto-attestation, the keys that signed a statement about a file.

    dsse.py K SHA256 ENVELOPES KEY.pem...

ENVELOPES is one DSSE envelope or JSON lines of them (FILE.intoto.jsonl, FILE.reattest.jsonl);
lines that are no envelopes are passed over. KEY.pem is a public key as RFC 8410 has it. A key
counts once, when one of its statements has SHA256 as a subject; whatever else the statement says
is not looked at, as naive verifiers do. SHA256 may be "any".
Exit 0: at least K keys. 1: fewer, or an envelope that does not verify. 3: a library is missing.
4: this driver itself failed.
"""

import base64
import hashlib
import json
import sys
import traceback

try:
    import in_toto_attestation.predicates.provenance.v1.provenance_pb2 as provenance_pb2
    import in_toto_attestation.predicates.vsa.v1.vsa_pb2 as vsa_pb2
    import in_toto_attestation.v1.statement_pb2 as statement_pb2
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )
    from google.protobuf.json_format import ParseDict, ParseError
    from in_toto_attestation.v1.statement import Statement
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)

# The schemas of predicates that in-toto-attestation knows; an unknown field fails.
PREDICATES = {"https://slsa.dev/provenance/v1": provenance_pb2.Provenance}
SUMMARY = "https://slsa.dev/verification_summary/v1"


def fingerprint(key):
    """OpenSSH's name of the key, made from the key and not read from the envelope."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    wire = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", raw))
    digest = hashlib.sha256(wire).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def envelopes(path):
    with open(path, encoding="utf-8") as file:
        documents = [json.loads(line) for line in file if line.strip()]
    return [document for document in documents if "payloadType" in document]


def subjects(payload):
    statement = json.loads(payload)
    Statement.copy_from_pb(ParseDict(statement, statement_pb2.Statement())).validate()
    schema = PREDICATES.get(statement["predicateType"])
    if schema is not None:
        ParseDict(statement["predicate"], schema())
    elif statement["predicateType"] == SUMMARY:
        # in-toto-attestation 0.9.3 knows no verifier.version yet, and one level instead of a list.
        predicate = dict(statement["predicate"])
        for level in predicate.pop("verifiedLevels"):
            one = {**predicate, "verifiedLevels": level}
            ParseDict(one, vsa_pb2.VerificationSummary(), ignore_unknown_fields=True)
    return {subject["digest"]["sha256"] for subject in statement["subject"]}


def main(need, sha256, path, pems):
    keys = []
    for pem in pems:
        with open(pem, "rb") as file:
            public = load_pem_public_key(file.read())
        keys.append(SSlibKey.from_crypto(public, keyid=fingerprint(public)))
    counted = set()
    for document in envelopes(path):
        signers = {signature["keyid"] for signature in document["signatures"]}
        envelope = Envelope.from_dict(document)
        if envelope.payload_type != "application/vnd.in-toto+json":
            raise ValueError(f"payload type {envelope.payload_type}")
        if not signers & {key.keyid for key in keys}:
            continue
        accepted = envelope.verify(keys, len(signers))
        if sha256 in ("any", *subjects(envelope.payload)):
            counted |= set(accepted)
    print(f"{len(counted)} of {len(keys)} keys, {need} needed: {sorted(counted)}")
    return 0 if len(counted) >= int(need) else 1


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
    except (VerificationError, ParseError, ValueError, KeyError) as refused:
        print(f"refused: {type(refused).__name__}: {refused}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        # A fault here is no refusal, and Python would end with 1 for it.
        traceback.print_exc()
        sys.exit(4)
