# The documents that `receiptd init --bucket` prints, from the templates beside this folder.
locals {
  policy_values = {
    partition = data.aws_partition.current.partition
    bucket    = var.bucket
    prefix    = var.prefix
    days      = max(1, var.retention_days - 1) # S3 counts from the arrival
    role      = aws_iam_role.anchor.arn
  }
  policies = { for name in ["anchoring-role", "bucket", "auditor", "canary"] :
    name => templatefile("${path.module}/../policies/${name}.json", local.policy_values)
  }
}
