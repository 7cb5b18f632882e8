variable "bucket" {
  description = "Name of the bucket for anchors. Ideally in an account of the auditor's, apart from the one the daemon runs in."
  type        = string
}

variable "prefix" {
  description = "Before every object's name, as in the target's `prefix`: empty, or ends in /."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(?:[A-Za-z0-9._-]+/){0,8}$", var.prefix))
    error_message = "prefix is empty or ends in /, such as receiptd/."
  }
}

variable "retention_days" {
  description = "Days that each anchor is locked for, as in the target's `retention`. Nobody can shorten it later, AWS included."
  type        = number
  default     = 2562 # 7y
  validation {
    condition     = var.retention_days >= 2 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days is a whole number from 2 on."
  }
}

variable "role_name" {
  description = "Name of the role that the daemon runs with."
  type        = string
  default     = "receiptd-anchor"
}

variable "role_trust_policy" {
  description = "Who may take the role, as JSON; default: EC2 instances."
  type        = string
  default     = null
}
