import { expect, it } from "vitest";
import { FormatError } from "../../src/format/errors.ts";
import { asVerifyError, reading, VerifyError } from "../../src/verify/errors.ts";

it("wraps a FormatError with its code and pointer", () => {
  const cause = new FormatError("bad_receipt", "no", "/type");
  const error = asVerifyError(cause);
  expect([error.code, error.pointer, error.cause]).toEqual(["bad_receipt", "/type", cause]);
});

it("gives the one code of a step", () => {
  const read = (): never => {
    throw new FormatError("duplicate_name", "twice", "/a");
  };
  expect(() => reading(read, "bad_receipt")).toThrow(expect.objectContaining({ code: "bad_receipt", pointer: "/a" }));
});

it("leaves a VerifyError as it is, and re-codes it only where it has another code", () => {
  const error = new VerifyError("number_mismatch", "no");
  expect(asVerifyError(error)).toBe(error);
  expect(asVerifyError(error, "bad_receipt")).toMatchObject({ code: "bad_receipt", cause: error });
});

it("throws mistakes of the program on", () => {
  const mistake = new TypeError("mistake");
  expect(() => asVerifyError(mistake)).toThrow(mistake);
});

it("makes short texts of what was expected and found", () => {
  const error = new VerifyError("log_index_gap", "no", { expected: 7, found: "x".repeat(1000) });
  expect([error.expected, error.found!.length]).toEqual(["7", 201]);
  expect(new VerifyError("fork", "no", { found: null }).found).toBe("null");
  expect(new VerifyError("fork", "no")).toMatchObject({ expected: undefined, found: undefined, pointer: undefined });
});
