import { spawnSync } from 'node:child_process'

export interface GitOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
}

export interface GitOutcome {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** What git did, whether it succeeded or not. Paths are taken as they are, never as patterns. */
export function tryGit(args: readonly string[], { cwd, env, input }: GitOptions): GitOutcome {
  const { status, stdout, stderr, error } = spawnSync('git', ['--literal-pathspecs', ...args], {
    cwd,
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 30,
    ...(input !== undefined && { input }),
  })
  if (error) throw error
  return { status: status ?? 1, stdout, stderr: stderr.toString().trim() }
}

/**
 * What git printed.
 *
 * @throws {Error} with what it said instead.
 */
export function git(args: readonly string[], options: GitOptions): string {
  const { status, stdout, stderr } = tryGit(args, options)
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`)
  return stdout.toString()
}

/** The parts of an output that ends each with NUL. */
export const split = (output: string): string[] => output.split('\0').filter(Boolean)
