/** The order of test files: those that take longest, or wait longest, are not to be what everything waits for at the end; those that wait, among those that compute. */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** In this order; then all others, as Vitest thinks best. */
const LONGEST = [
  "test/drill.test.ts", "test/demo.test.ts", "test/python-client.test.ts", "test/web/page.test.ts", "test/cli/doctor.test.ts", "test/faults/sigkill.test.ts", "test/anchor/canary.test.ts", "test/powercut/daemon.test.ts", "test/cli/commands.test.ts",
  "test/faults/s3-outage.test.ts", "test/audit/s3.test.ts", "test/faults/io-error.test.ts", "test/restore/command.test.ts", "test/restore/restore.test.ts", "test/anchor/s3.test.ts",
  "test/cli/check.test.ts", "test/faults/lifecycle.test.ts", "test/python.test.ts",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
