// Verifies Sigstore bundles that a named key signed, with Sigstore's own JavaScript libraries.
//
//     node sigstore.mjs MODULES KEY.pem BUNDLE.sigstore.json...
//
// MODULES is the directory `node_modules` with @sigstore/bundle and @sigstore/verify; KEY.pem is the
// public key as RFC 8410 has it. No log and no time stamp is asked for.
// Exit 0: all verify. 1: one does not. 3: a library is missing.

import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [modules, keyFile, ...bundles] = process.argv.slice(2);
if (bundles.length === 0) {
  console.error("usage: sigstore.mjs MODULES KEY.pem BUNDLE...");
  process.exit(2);
}

let bundleFromJSON, Verifier, toSignedEntity, toTrustMaterial, PublicKeyDetails;
try {
  const require = createRequire(resolve(modules, "anything.js"));
  ({ bundleFromJSON } = require("@sigstore/bundle"));
  ({ Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify"));
  ({ PublicKeyDetails } = require("@sigstore/protobuf-specs"));
} catch (missing) {
  console.error(missing.message);
  process.exit(3);
}

const publicKey = createPublicKey(readFileSync(keyFile));
const spki = publicKey.export({ type: "spki", format: "der" });

// The name that the bundle's hint must have: OpenSSH's, made from the key alone.
const raw = spki.subarray(spki.length - 32);
const field = (bytes) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
const wire = Buffer.concat([field(Buffer.from("ssh-ed25519")), field(raw)]);
const digest = createHash("sha256").update(wire).digest("base64").replace(/=+$/, "");
const hint = `SHA256:${digest}`;

const root = { mediaType: "", tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
const keyDetails = PublicKeyDetails.PKIX_ED25519;
const trust = toTrustMaterial(root, { [hint]: { rawBytes: spki, keyDetails, validFor: { start: new Date(0) } } });
const verifier = new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });

for (const file of bundles) {
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(file, "utf8")))));
  } catch (refused) {
    console.error(`${file}: refused: ${refused.code ?? ""} ${refused.message}`);
    process.exit(1);
  }
  console.log(`${file}: accepted, signed by ${hint}`);
}
