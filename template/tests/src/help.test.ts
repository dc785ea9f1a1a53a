import { describe, expect, test } from 'bun:test'
import packageJson from '../../../package.json' with { type: 'json' }
import { runCommandLine } from '../../../src/cli.ts'

async function helpOf(path: string): Promise<string> {
  let help = ''
  const exitCode = await runCommandLine([...path.split(' ').filter(Boolean), '--help'], {
    env: {},
    stdout: (text) => {
      help += text
    },
    stderr: () => {},
    isTerminal: false,
    readStdin: async () => '',
    serve: async () => 1,
    openApi: async () => ({}),
  })
  expect(exitCode).toBe(0)
  return help
}

/** Every command, found as somebody would who reads the help. */
async function commandsBelow(path: string): Promise<string[]> {
  const listed = (await helpOf(path)).split('\nCommands:\n')[1]?.split('\n\n')[0] ?? ''
  const names = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
  const paths = names.filter((name) => name !== 'help').map((name) => `${path} ${name}`.trim())
  return [path, ...(await Promise.all(paths.map(commandsBelow))).flat()]
}

const commands = await commandsBelow('')

describe('the help of every command', () => {
  test('all of them are found', () => {
    expect(commands).toContain('migrate up')
    expect(commands).toContain('events rename-owner')
    expect(commands).toContain('secrets')
    expect(commands.length).toBeGreaterThan(20)
  })

  test.each(commands)(
    '%p: it says what it does, shows an example of it, and names the exit codes',
    async (path) => {
      const help = await helpOf(path)

      expect(help.split('\n')[2]).toMatch(/\w{4}/)
      expect(help).toContain(`\nExamples:\n  ${packageJson.name} ${path}`.trimEnd())
      expect(help).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration')
    },
  )
})
