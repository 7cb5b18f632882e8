/** Runs a program so that some of its system calls on one file fail, or kill it (strace(1), option -e inject). */

export interface Interference {
  readonly path: string;
  /** Names of system calls, separated by commas. */
  readonly calls: string;
  /** What becomes of them, as strace writes it: `error=EIO:when=3+`. Each thread counts for itself. */
  readonly how: string;
}

/** The command in front of the program; the program is the process that is started, strace its grandchild. */
export function interfering({ path, calls, how }: Interference): readonly string[] {
  // one thread for all asynchronous files, so that their calls are counted together; io_uring would not be seen
  const env = ["env", "UV_THREADPOOL_SIZE=1", "UV_USE_IO_URING=0"];
  // all other calls go by without a stop; signals, however, are injected at a stop only
  const quick = how.startsWith("error=") ? ["--seccomp-bpf"] : [];
  return ["strace", "-D", "-f", ...quick, "-qqq", "-o", "/dev/null", "-P", path, "-e", `trace=${calls}`, "-e", `inject=${calls}:${how}`, "--", ...env];
}
