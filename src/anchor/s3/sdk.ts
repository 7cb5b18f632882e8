/** What is used of the AWS SDK, by name, so that the bundle has no more of it. Loaded by client.ts alone, when there is an S3 target. */
import {
  DeleteObjectCommand, GetBucketEncryptionCommand, GetBucketLifecycleConfigurationCommand, GetBucketPolicyCommand, GetBucketPolicyStatusCommand, GetBucketVersioningCommand, GetObjectCommand,
  GetObjectLockConfigurationCommand, GetObjectRetentionCommand, GetPublicAccessBlockCommand, ListObjectVersionsCommand, PutObjectCommand, PutObjectRetentionCommand, S3Client,
} from "@aws-sdk/client-s3";

export const sdk = {
  DeleteObjectCommand, GetBucketEncryptionCommand, GetBucketLifecycleConfigurationCommand, GetBucketPolicyCommand, GetBucketPolicyStatusCommand, GetBucketVersioningCommand, GetObjectCommand,
  GetObjectLockConfigurationCommand, GetObjectRetentionCommand, GetPublicAccessBlockCommand, ListObjectVersionsCommand, PutObjectCommand, PutObjectRetentionCommand, S3Client,
} as const;
