import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { variableName } from '@kiln/shared/settings'
import { type TSchema, TypeGuard } from '@sinclair/typebox'
import { ConfigSchema } from '../src/config.ts'
import { type RunningService, startService } from './support/process.ts'

setDefaultTimeout(30_000)

const root = resolve(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const settings = Object.entries(ConfigSchema.properties).map(([key, property]) => ({
  name: variableName('SERVICE', key),
  property: property as TSchema & { description: string },
}))

describe('the configuration in README and .env.example', () => {
  test('README has a row for every setting, with its meaning and default', () => {
    const rows = readme.split('\n').filter((line) => line.startsWith('| `SERVICE_'))

    const expected = settings.map(({ name, property }) => {
      const isRequired = property.default === undefined && !TypeGuard.IsOptional(property)
      const fallback = property.default === undefined ? '' : `\`${property.default}\``
      return ['', `\`${name}\``, property.description, isRequired ? 'required' : fallback, '']
        .join(' | ')
        .trim()
        .replace('|  |', '| |')
    })
    expect(rows).toEqual(expected)
  })

  test('.env.example has every setting, in order, with its meaning and default', () => {
    const file = readFileSync(join(root, '.env.example'), 'utf8')

    const expected = settings.map(({ name, property }) => {
      const isRequired = property.default === undefined && !TypeGuard.IsOptional(property)
      return `# ${property.description}\n${isRequired ? '' : '# '}${name}=${property.default ?? ''}`
    })
    expect(file.trimEnd().split('\n\n').slice(1)).toEqual(expected)
  })
})

describe('the first five requests of README', () => {
  const password = 'correct horse battery'
  const blocks = [...readme.matchAll(/```sh request\n([\s\S]*?)```\n```(json|text) answer\n([\s\S]*?)```/g)]
  let service: RunningService
  let answers: string[]

  beforeAll(async () => {
    service = await startService()
    await service.command(
      ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin'],
      {
        input: password,
      },
    )
    answers = runInOneShell(
      blocks.map(([, script = '']) => script.replaceAll('localhost:8000', `localhost:${service.port}`)),
    )
  })
  afterAll(() => service.close())

  /** One after the other, because a later request uses what an earlier one kept in a variable. */
  function runInOneShell(scripts: readonly string[]): string[] {
    const mark = '--- next ---'
    const script = scripts.join(`\necho; echo '${mark}'\n`)
    const { stdout } = Bun.spawnSync(['bash', '-euc', script], {
      env: { ...process.env, PASSWORD: password },
    })
    return stdout.toString().split(mark)
  }

  test('there are five', () => {
    expect(blocks).toHaveLength(5)
  })

  test.each([0, 1, 2, 3, 4])('request %# is answered as it says', (index) => {
    const [, , kind, shown = ''] = blocks[index] ?? []
    const answer = answers[index]?.trim() ?? ''

    if (kind === 'json') expect(withoutChance(JSON.parse(answer))).toEqual(withoutChance(JSON.parse(shown)))
    else expect(answer).toBe(shown.trim())
  })
})

/** What differs from run to run is only held to be there, and of its kind. */
function withoutChance(value: unknown, key = ''): unknown {
  if (/_at$|_token$|^correlation_id$|^trace_id$|^next_cursor$|^id$/.test(key) && value !== null)
    return typeof value
  if (Array.isArray(value)) return value.map((item) => withoutChance(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, withoutChance(child, name)]))
}
