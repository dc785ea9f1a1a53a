import { spawnSync } from 'node:child_process'
import { delimiter, dirname } from 'node:path'
import { Glob } from 'bun'

/** How the tests of a service went; NaN for what their runner did not say. */
export interface Tested {
  readonly passed: number
  readonly failed: number
  readonly files: number
}

export const testFiles = (folder: string): readonly string[] => [
  ...new Glob('tests/**/*.test.ts').scanSync(folder),
]

/**
 * Runs all tests of the service in a folder, on the servers of this run; where one fails, what they say is printed, marked as theirs.
 *
 * @param command `run test` installs the packages before, as README has it.
 */
export function testsOf(folder: string, command = ['test', '--timeout', '20000']): Tested {
  const { stderr } = spawnSync(process.execPath, command, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` },
  })
  const count = (pattern: RegExp) => Number(pattern.exec(stderr)?.[1] ?? Number.NaN)
  const [passed, failed] = [count(/^ *(\d+) pass$/m), count(/^ *(\d+) fail$/m)]
  if (failed !== 0) process.stdout.write(stderr.replace(/^/gm, '| '))
  return { passed, failed, files: count(/^Ran \d+ tests across (\d+) files/m) }
}
