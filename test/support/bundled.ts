/** Before any test: dist/ is what src/ says, since tests run the command as it is installed. */
import { bundleIfOld } from "../../scripts/bundle.ts";

export const setup = bundleIfOld;
