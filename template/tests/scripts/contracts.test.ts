import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyPatched, type Patch, patch } from '../support/patched-build.ts'

setDefaultTimeout(60_000)

const USER = 'shared/events/contracts/user.ts'
const GOLDEN = 'shared/events/contracts/golden.json'
const SNAPSHOT = 'shared/events/contracts/schemas/user.verified.v1.json'
const BEFORE = 'shared/events/contracts/schemas/user.verified.v1.before-1.json'
const FIELD = /verified_by: UserId,/
const KEPT = { status: 0, said: 'every contract keeps its promise\n' }

describe('bun run contracts:check', () => {
  const parent = mkdtempSync(join(tmpdir(), 'contracts-'))
  let copies = 0
  afterAll(() => rmSync(parent, { recursive: true }))

  function copyWith(...patches: Patch[]): string {
    const folder = join(parent, String(copies++))
    copyPatched(folder, patches)
    return folder
  }

  function run(folder: string, ...options: string[]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(folder, 'scripts/contracts.ts'), ...options],
      { cwd: folder, encoding: 'utf8' },
    )
    return { status, said: stdout + stderr }
  }

  const read = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8')

  test('fails, saying where and why, when a snapshot is not what the contract grew from', () => {
    const folder = copyWith({
      file: 'shared/events/contracts/schemas/user.updated.v1.json',
      replace: /"minItems": 1/,
      by: '"minItems": 2',
    })

    const checked = run(folder)

    expect(checked).toEqual({
      status: 1,
      said: 'user.updated.v1 /changed: the new schema allows lists as short as 1, the old schema only from 2 (FULL_TRANSITIVE)\n',
    })
  })

  test('refuses a breaking change even with --update, and writes nothing', () => {
    const folder = copyWith({ file: USER, replace: FIELD, by: 'verified_by: Type.Optional(UserId),' })
    const before = read(folder, SNAPSHOT)

    const updated = run(folder, '--update')

    expect(updated).toEqual({
      status: 1,
      said: 'user.verified.v1 /verified_by: the new schema lets it be absent, the old schema requires it (FULL_TRANSITIVE)\n',
    })
    expect(read(folder, SNAPSHOT)).toBe(before)
  })

  test('takes a compatible change over with --update, and keeps what was before', () => {
    const folder = copyWith({ file: USER, replace: FIELD, by: `$&\n  note: Type.Optional(Type.String()),` })
    const before = read(folder, SNAPSHOT)

    const [checked, updated, again] = [run(folder), run(folder, '--update'), run(folder)]

    expect(checked).toEqual({
      status: 1,
      said: 'user.verified.v1 changed compatibly; bun run contracts:check --update takes it over\n',
    })
    expect([updated, again]).toEqual([KEPT, KEPT])
    expect(read(folder, BEFORE)).toBe(before)
    expect(JSON.parse(read(folder, SNAPSHOT)).properties.note).toEqual({ type: 'string' })
  })

  test('remembers a dropped name, which may not come back as something else', () => {
    const folder = copyWith({ file: USER, replace: FIELD, by: `$&\n  note: Type.Optional(Type.String()),` })
    run(folder, '--update')
    patch(folder, [{ file: USER, replace: /\n {2}note: .*/, by: '' }])
    const dropped = run(folder, '--update')
    patch(folder, [{ file: USER, replace: FIELD, by: `$&\n  note: Type.Optional(Type.Integer()),` }])

    const { status, said } = run(folder, '--update')

    expect(dropped).toEqual(KEPT)
    expect(status).toBe(1)
    expect(said).toContain(
      'user.verified.v1 /note: the old schema allows a value of type string, the new schema takes a value of type integer',
    )
  })

  test('fails when a snapshot is missing, and writes it with --update as it was', () => {
    const folder = copyWith()
    const before = read(folder, SNAPSHOT)
    rmSync(join(folder, SNAPSHOT))

    const [checked, updated] = [run(folder), run(folder, '--update')]

    expect(checked).toEqual({
      status: 1,
      said: 'user.verified.v1 has no snapshot; bun run contracts:check --update writes it\n',
    })
    expect(updated).toEqual(KEPT)
    expect(read(folder, SNAPSHOT)).toBe(before)
  })

  test('fails when a version was removed, even with --update', () => {
    const folder = copyWith(
      { file: USER, replace: /versions: \{ 1: UserCreatedV1, .*/, by: 'versions: { 1: UserCreatedV1 },' },
      { file: USER, replace: / {2}upcast: \{[\s\S]*?\n {2}\},\n/, by: '' },
      { file: USER, replace: / {2}downcast: \{[\s\S]*?\n {2}\},\n/, by: '' },
    )

    const { status, said } = run(folder, '--update')

    expect(status).toBe(1)
    expect(said.split('\n').slice(0, -1)).toEqual([
      'version 2 of user.created was removed, and streams, archives and other services may still hold it',
      'user.created.v2 has a golden payload and no contract',
    ])
  })

  test('fails when a golden payload is not what its contract takes, or is missing', () => {
    const folder = copyWith(
      { file: GOLDEN, replace: /"verified_by": 1/, by: '"verified_by": "one"' },
      { file: GOLDEN, replace: /"user.updated.v1"/, by: '"user.updated.v9"' },
    )

    const { status, said } = run(folder)

    expect(status).toBe(1)
    expect(said.split('\n').slice(0, -1)).toEqual([
      'user.updated.v9 has a golden payload and no contract',
      `user.updated.v1 has no golden payload in ${join(folder, GOLDEN)}`,
      'user.verified.v1: the golden payload /verified_by: Expected integer',
    ])
  })

  test('fails when an upcast does not give what the next version takes', () => {
    const folder = copyWith({ file: USER, replace: / {6}metadata: \{\},\n/, by: '' })

    const { status, said } = run(folder)

    expect(status).toBe(1)
    expect(said).toContain('user.created.v1: the golden payload taken to version 2 /metadata: ')
  })

  test('holds the contracts of the service alone in a folder of its own', () => {
    const file = 'src/infrastructure/events.ts'
    const folder = copyWith(
      {
        file,
        replace: /import \{ contracts, /,
        by: `import { Type } from '@sinclair/typebox'\n$&defineEvent, `,
      },
      {
        file,
        replace: /createRegistry\(contracts\)/,
        by: `createRegistry([...contracts, defineEvent({ name: 'invoice.sent', delivery: 'stream', versions: { 1: Type.Object({}) } })])`,
      },
    )

    const [checked, updated] = [run(folder), run(folder, '--update')]

    const missing = `invoice.sent.v1 has no golden payload in ${join(folder, 'contracts/golden.json')}\n`
    expect(checked).toEqual({
      status: 1,
      said: `invoice.sent.v1 has no snapshot; bun run contracts:check --update writes it\n${missing}`,
    })
    expect(updated).toEqual({ status: 1, said: missing })
    expect(JSON.parse(read(folder, 'contracts/schemas/invoice.sent.v1.json')).$id).toBe('invoice.sent.v1')
  })
})
