import type { Program } from './program.ts';

/** What the program says at its start, at any log level. */
export async function started(program: Program): Promise<{ url: string; user: string; pid: number }> {
  const { input } = await program.line(/"msg":"server is running"/);
  return JSON.parse(input) as { url: string; user: string; pid: number };
}

export function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
