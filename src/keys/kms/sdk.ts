/** What is used of the AWS SDK, by name, so that the bundle has no more of it. Loaded by client.ts alone, when a key is in AWS KMS. */
import { DecryptCommand, GenerateDataKeyCommand, GetPublicKeyCommand, KMSClient, SignCommand } from "@aws-sdk/client-kms";

export const sdk = { DecryptCommand, GenerateDataKeyCommand, GetPublicKeyCommand, KMSClient, SignCommand } as const;
