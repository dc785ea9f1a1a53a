import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Transpiler } from 'bun'
import { createTestKeys, redisUrl } from '../../tests/support/redis.ts'
import { copyShared, expectPacked, linkPackages, packShared, run, templateRoot } from './support/copies.ts'
import { findDeno } from './support/deno.ts'

setDefaultTimeout(120_000)

const parent = mkdtempSync(join(tmpdir(), 'packed-'))
const shared = join(parent, 'shared')
const program = join(parent, 'program')
/** Holds the package and TypeBox, and nothing else. */
const bare = join(parent, 'bare')
const keys = createTestKeys()
let tarball: string

beforeAll(() => {
  copyShared(parent)
  linkPackages(parent)
  tarball = packShared(shared, 'bun')
  mkdirSync(program)
  writeFileSync(join(program, 'package.json'), JSON.stringify({ type: 'module' }))
  run(process.execPath, ['add', '--silent', tarball, '@sinclair/typebox@0.34.52'], { cwd: program })
  writePrograms(program)
  mkdirSync(join(bare, 'node_modules/@kiln'), { recursive: true })
  mkdirSync(join(bare, 'node_modules/@sinclair'))
  cpSync(join(program, 'package.json'), join(bare, 'package.json'))
  cpSync(join(program, 'node_modules/@kiln/shared'), join(bare, 'node_modules/@kiln/shared'), {
    recursive: true,
  })
  symlinkSync(join(program, 'node_modules/@sinclair/typebox'), join(bare, 'node_modules/@sinclair/typebox'))
  writePrograms(bare)
})
afterAll(async () => {
  rmSync(parent, { recursive: true, force: true })
  await keys.drop()
})

/** As TypeScript and, since Node takes none, as JavaScript. */
function writePrograms(folder: string): void {
  const transpiler = new Transpiler({ loader: 'ts', target: 'node' })
  for (const name of ['order-events', 'contracts']) {
    const text = readFileSync(join(import.meta.dirname, `packed/${name}.ts`), 'utf8')
    writeFileSync(join(folder, `${name}.ts`), text)
    writeFileSync(join(folder, `${name}.js`), transpiler.transformSync(text))
  }
}

/** The command that runs one of the programs; compiling is a part of it. */
const runtimes: Readonly<Record<string, (folder: string, name: string) => readonly string[]>> = {
  bun: (_, name) => [process.execPath, `${name}.js`],
  'a compiled program': (folder, name) => {
    run(process.execPath, ['build', '--compile', `${name}.js`, `--outfile=${name}`], { cwd: folder })
    return [join(folder, name)]
  },
  deno: (_, name) => [findDeno(), 'run', '-A', `${name}.js`],
  node: (_, name) => ['node', `${name}.js`],
}

describe('the packed package', () => {
  test.each(Object.entries(runtimes))('carries an event through Redis on %s', (name, commandOf) => {
    const [command = '', ...args] = commandOf(program, 'order-events')

    const printed = run(command, [...args, redisUrl, `${keys.prefix}-${name.replaceAll(' ', '-')}`], {
      cwd: program,
    })

    expect(printed).toBe('received o-1\n')
  })

  test.each(Object.entries(runtimes))('has contracts that load nothing but TypeBox on %s', (_, commandOf) => {
    const [command = '', ...args] = commandOf(bare, 'contracts')

    const printed = run(command, args, { cwd: bare })

    expect(printed).toBe('true invoice\n')
  })

  test('has the types of its source', () => {
    const text = readFileSync(join(program, 'order-events.ts'), 'utf8')
    writeFileSync(join(program, 'wrong.ts'), text.replace("{ order_id: 'o-1' }", '{ order_id: 1 }'))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'esnext', '--module', 'nodenext']

    const { stdout } = spawnSync(
      join(templateRoot, 'node_modules/.bin/tsc'),
      [...options, '--types', 'node', 'order-events.ts', 'wrong.ts'],
      { cwd: program, encoding: 'utf8' },
    )

    expect(stdout.match(/^\S+: error.*$/gm)).toEqual([
      expect.stringMatching(/^wrong\.ts.*Type 'number' is not assignable to type 'string'/),
    ])
  })

  test('packed by Bun, it holds built files alone, and the tree is as it was', () => {
    expectPacked(tarball)
    expect(readFileSync(join(shared, 'package.json'), 'utf8')).toBe(
      readFileSync(join(templateRoot, 'shared/package.json'), 'utf8'),
    )
    expect(existsSync(join(shared, 'dist'))).toBe(false)
  })
})
