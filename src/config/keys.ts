/** The keys of a ledger, as they are configured: where they are, never what they are. */
import { z } from "zod";
import { exactly, isRecord, path, text, wanted } from "./values.ts";

const credential = text("a credential's name", "receiptd-root-key", /^(?!\.{1,2}$)[A-Za-z0-9_.@-]{1,128}$/);

/** What AWS KMS is told: settings of a key there. The plaintext of a root key comes over this connection. */
const kmsKey = {
  key: text("the ARN of a key in AWS KMS", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", /^arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,64}:[0-9]{12}:key\/[A-Za-z0-9-]{1,128}$/),
  region: text("a region", "eu-central-1", /^[a-z0-9-]{1,64}$/).optional(),
  endpoint: text("an https URL, or an http one of this host", "https://kms.example.com", /^(?:https:\/\/[^\s/?#]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?)\/?$/).optional(),
  profile: text("a profile's name", "receiptd", /^[A-Za-z0-9_.@+-]{1,64}$/).optional(),
};

const ofKnownType = z.discriminatedUnion(
  "type",
  [
    exactly({ type: z.literal("file"), path: path.optional() }),
    exactly({ type: z.literal("credential"), name: credential.default("receiptd-root-key") }),
    exactly({ type: z.literal("passphrase"), path: path.optional(), passphrase_file: path.optional(), passphrase_credential: credential.optional() }),
    exactly({ type: z.literal("aws-kms"), path: path.optional(), ...kmsKey }),
  ],
  wanted("a root key of a known type (file, credential, passphrase, aws-kms)", "{type: file}"),
);

/** Without a type it is a file, so that RECEIPTD_KEYS__ROOT_KEY__PATH can stand alone. */
export const rootKey = z.preprocess((value) => (value === null || value === undefined || isRecord(value) ? { type: "file", ...value } : value), ofKnownType);

/** The key that signs anchors. */
export const checkpoint = z.preprocess(
  (value) => value ?? { type: "local" },
  z.discriminatedUnion(
    "type",
    [exactly({ type: z.literal("local") }), exactly({ type: z.literal("aws-kms"), ...kmsKey })],
    wanted("a checkpoint key of a known type (local, aws-kms)", "{type: local}"),
  ),
);

/** With absolute paths. `place` has what a path is called that was left out. */
export function placedRootKey(key: z.output<typeof rootKey>, place: (given: string | undefined, usual: string) => string) {
  switch (key.type) {
    case "file": return { ...key, path: place(key.path, "root.key") };
    case "credential": return key;
    case "passphrase": return { ...key, path: place(key.path, "root.scrypt"), ...(key.passphrase_file === undefined ? {} : { passphrase_file: place(key.passphrase_file, "") }) };
    case "aws-kms": return { ...key, path: place(key.path, "root.kms") };
  }
}
