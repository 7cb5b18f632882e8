/** Why there is no evidence, or no export. */
export class BundleError extends Error {
  override readonly name = "BundleError";
  readonly code: "not_found" | "not_anchored" | "no_evidence";
  /** What to do about it. */
  readonly next: string | undefined;

  constructor(code: BundleError["code"], message: string, next?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.next = next;
  }
}
