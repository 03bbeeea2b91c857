/** Processor time that this thread has used. Microseconds. */
export function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
