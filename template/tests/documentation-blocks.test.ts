import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { logInAdmin, type RunningService, startService, underTest } from '../../tests/support/process.ts'

setDefaultTimeout(120_000)

const root = resolve(import.meta.dirname, '../..')
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)]

interface Block {
  readonly page: string
  readonly language: string
  /** After the language: a file that has the code, or what the block is for. */
  readonly info: string
  readonly code: string
  readonly reason: string | undefined
  readonly answer: string | undefined
}

const pattern =
  /(?:<!-- not run: (.+) -->\n)?^( *)```(sh|bash|console|ts|typescript)(?: (.+))?\n([\s\S]*?)^ *```$(?:\n```(?:text|json) answer\n([\s\S]*?)^```$)?/gm

const blocks = pages.flatMap((page): Block[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(pattern)].map(
    ([, reason, , language = '', info = '', code = '', answer]) => ({
      page,
      language,
      info,
      code,
      reason,
      answer,
    }),
  ),
)
const isTypeScript = ({ language }: Block) => language.startsWith('t')
const skipped = blocks.filter(({ reason }) => reason !== undefined)
const shells = blocks.filter((block) => !isTypeScript(block) && block.reason === undefined)
/** Those of README are run by tests/readme.test.ts, which compares JSON. */
const requests = shells.filter(({ info }) => info === 'request')
const runnable = shells.filter(({ info }) => info === '')
/** What is shown of a file is held to be in it by documentation.test.ts, and `bun run check` takes the file. */
const shown = blocks.filter((block) => isTypeScript(block) && block.info !== '')
const written = blocks.filter((block) => isTypeScript(block) && block.info === '')

let service: RunningService
let token: string

beforeAll(async () => {
  service = await startService()
  token = await logInAdmin(service)
})
afterAll(() => service.close())

/** Runs a block as a person would, where the environment of the service is. */
function runBlock(code: string) {
  const program = underTest.map((word) => `'${word}'`).join(' ')
  const script = `service() { ${program} "$@"; }\n${code.replaceAll('localhost:8000', `127.0.0.1:${service.port}`)}`
  const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...service.env, TOKEN: token },
  })
  return { status, stdout, stderr }
}

const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '))
    .join('\n')

/** `…` stands for whatever differs from run to run; alone on the last line, for further lines. */
function fits(answer: string, output: string): boolean {
  const parts = lines(answer).split('…')
  const literal = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const isOpen = lines(answer).endsWith('\n…')
  const source = literal.join('.*')
  return new RegExp(`^${isOpen ? source.replace(/\.\*$/, '[\\s\\S]*') : source}$`).test(lines(output))
}

test.each(runnable.map((block) => [block.page, block.code.trim(), block] as const))(
  '%s: %s',
  (_page, _code, { code, answer }) => {
    const { status, stdout, stderr } = runBlock(code)

    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
    if (answer !== undefined && !fits(answer, stdout)) expect(lines(stdout)).toBe(lines(answer))
  },
)

test('an answer that differs in a word does not fit', () => {
  expect(fits('sent … of 3\n…', 'sent 2 of 3\nmore\nlines')).toBe(true)
  expect(fits('sent … of 3', 'sent 2 of 4')).toBe(false)
  expect(fits('sent … of 3', 'sent 2 of 3\nmore')).toBe(false)
})

test('code that is in no file passes the type check of the service', () => {
  const folder = mkdtempSync(join(tmpdir(), 'blocks-'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const [index, { code }] of written.entries()) writeFileSync(join(folder, `block-${index}.ts`), code)
  const settings = { extends: join(root, 'tsconfig.json'), include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))

  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--noEmit', '-p', folder], {
    encoding: 'utf8',
  })
  rmSync(folder, { recursive: true })

  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
})

test('a block that is not run says why, and the tests that it names are there', () => {
  const named = skipped.flatMap(({ reason = '' }) => reason.match(/\S+\.test\.ts|\S+\/run\.sh/g) ?? [])
  const reasons = skipped.map(({ page, code, reason }) => `  ${page}: ${code.split('\n')[0]}: ${reason}`)

  process.stdout.write(
    `documentation: ${requests.length + runnable.length} blocks run, ${written.length} type-checked, ` +
      `${shown.length} compared with the file they show, ${skipped.length} not run:\n${reasons.join('\n')}\n`,
  )
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
  expect(requests.length + runnable.length + written.length + shown.length + skipped.length).toBe(
    blocks.length,
  )
})
