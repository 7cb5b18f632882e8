# A bucket whose objects nobody can remove before their time, the role that writes to it, and policies for those who check it.
#
#   terraform init && terraform apply -var bucket=acme-receipts
#
# To take this down again is only possible once every lock has run out: that is what it is for.
terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 4.0"
    }
  }
}

data "aws_partition" "current" {}

resource "aws_s3_bucket" "anchors" {
  bucket              = var.bucket
  object_lock_enabled = true # with versioning; neither can be switched off again

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "anchors" {
  bucket = aws_s3_bucket.anchors.id

  versioning_configuration {
    status = "Enabled"
  }
}

# For what others put there; the daemon locks each of its objects itself.
resource "aws_s3_bucket_object_lock_configuration" "anchors" {
  bucket = aws_s3_bucket.anchors.id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.retention_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.anchors]
}

# SSE-S3, not SSE-KMS: whoever deletes a KMS key destroys what is encrypted with it, locked or not.
resource "aws_s3_bucket_server_side_encryption_configuration" "anchors" {
  bucket = aws_s3_bucket.anchors.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "anchors" {
  bucket = aws_s3_bucket.anchors.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "anchors" {
  bucket                  = aws_s3_bucket.anchors.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "anchors" {
  bucket = aws_s3_bucket.anchors.id
  policy = local.policies["bucket"]

  depends_on = [aws_s3_bucket_public_access_block.anchors]
}

data "aws_iam_policy_document" "ec2" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "anchor" {
  name               = var.role_name
  description        = "receiptd: puts locked anchors, and nothing else"
  assume_role_policy = coalesce(var.role_trust_policy, data.aws_iam_policy_document.ec2.json)
}

resource "aws_iam_role_policy" "anchor" {
  name   = "receiptd-anchor"
  role   = aws_iam_role.anchor.id
  policy = local.policies["anchoring-role"]
}

# To be attached to whoever audits, and to whoever runs `receiptd doctor --canary-profile`.
resource "aws_iam_policy" "auditor" {
  name   = "receiptd-auditor"
  policy = local.policies["auditor"]
}

resource "aws_iam_policy" "canary" {
  name   = "receiptd-canary"
  policy = local.policies["canary"]
}

output "role_arn" {
  description = "The role for the daemon's host."
  value       = aws_iam_role.anchor.arn
}

output "auditor_policy_arn" {
  value = aws_iam_policy.auditor.arn
}

output "canary_policy_arn" {
  value = aws_iam_policy.canary.arn
}
