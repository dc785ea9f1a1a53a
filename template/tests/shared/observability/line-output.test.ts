import { afterEach, describe, expect, test } from 'bun:test'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lineOutput } from '../../../../shared/observability/line-output.ts'
import { until } from '../../support/processes.ts'

const started: ChildProcessWithoutNullStreams[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

const fixture = Bun.fileURLToPath(new URL('line-output.fixture.ts', import.meta.url))
const count = 20_000
const expected = Array.from({ length: count }, (_, number) => `line ${number} ${'x'.repeat(number % 200)}é`)

function writer(...args: string[]) {
  const child = spawn(process.execPath, [fixture, String(count), ...args])
  started.push(child)
  let text = ''
  const ended = once(child, 'close')
  return {
    child,
    ended,
    /** From here on the reader reads. */
    read() {
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
    },
    lines: () => text.split('\n').slice(0, -1),
    text: () => text,
  }
}

/** Of twenty thousand lines a failing test is to show one. */
function firstDifference(lines: readonly string[], wanted: readonly string[]) {
  const index = wanted.findIndex((line, at) => lines[at] !== line)
  if (index < 0 && lines.length === wanted.length) return undefined
  return { index, count: lines.length, found: lines.at(index), wanted: wanted.at(index) }
}

/** Lines that are not the ones that were written, or are not in their order. */
function wrongLines(lines: readonly string[]): string[] {
  const numbers = lines.map((line) => Number(line.split(' ')[1]))
  return lines.filter(
    (line, at) =>
      line !== expected[numbers[at] ?? -1] || (at > 0 && !((numbers[at - 1] ?? 0) < (numbers[at] ?? 0))),
  )
}

/** The sum of what the lines say was dropped: the reader may have taken some between two of them. */
function droppedBy(lines: readonly string[]): number {
  const notices = lines.filter((line) => line.startsWith('{'))
  return notices.map((line) => JSON.parse(line)).reduce((sum, { dropped }) => sum + dropped, 0)
}

describe('lines to a pipe', () => {
  test('all come, in order, although nobody reads while they are written', async () => {
    const { child, ended, read, lines, text } = writer('go-on')
    await once(child.stderr, 'data')

    read()
    await until('the lines', () => text().includes('after'))
    child.stdin.end()
    await ended

    expect(firstDifference(lines().slice(0, count), expected)).toBeUndefined()
    expect(lines().slice(count)).toEqual(
      lines()
        .slice(count)
        .map((_, number) => `after ${number}`),
    )
  })

  test('all come when the process ends right after the flush', async () => {
    const { ended, read, lines } = writer('exit')

    read()
    await ended

    expect(firstDifference(lines(), expected)).toBeUndefined()
  })

  test('all come when the reader begins only after the flush was asked for', async () => {
    const { child, ended, read, lines } = writer('exit')
    await once(child.stderr, 'data')

    read()
    await ended

    expect(firstDifference(lines(), expected)).toBeUndefined()
  })

  test('are given up when the reader takes nothing for longer than the limit', async () => {
    const { child, ended, lines, read } = writer('exit', '', '50')
    await once(child.stderr, 'data')

    await until('the end', () => child.exitCode === 0)
    read()
    await ended

    expect(lines().length).toBeLessThan(count)
  })

  test('beyond the bound are dropped whole, and a line says how many', async () => {
    const { child, ended, read, lines, text } = writer('go-on', String(256 * 1024))
    await once(child.stderr, 'data')

    read()
    await until('the count, and a line after it', () => /"dropped"[\s\S]*\nafter /.test(text()))
    child.stdin.end()
    await ended

    const kept = lines().filter((line) => line.startsWith('line '))
    expect(wrongLines(kept)).toEqual([])
    expect(kept.length).toBeLessThan(count)
    const after = lines().filter((line) => line.startsWith('after '))
    const afterExpected = Number(after.at(-1)?.split(' ')[1]) + 1
    expect(droppedBy(lines())).toBe(count - kept.length + afterExpected - after.length)
  })

  test('beyond the bound are counted, also when the process ends before more are written', async () => {
    const { child, ended, read, lines } = writer('exit', String(256 * 1024))
    await once(child.stderr, 'data')

    read()
    await ended

    const kept = lines().filter((line) => line.startsWith('line '))
    expect(wrongLines(kept)).toEqual([])
    expect(droppedBy(lines())).toBe(count - kept.length)
  })

  test('are nobody’s trouble when the reader has gone', async () => {
    const { child, ended } = writer('go-on')
    await once(child.stderr, 'data')

    child.stdout.destroy()
    child.stdin.end()
    const [code] = await ended

    expect(code).toBe(0)
  })
})

describe('lines to a file', () => {
  test('come in order whatever their length, the short ones after the delay', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'line-output-'))
    const file = join(folder, 'log')
    const fd = openSync(file, 'w')
    const lines = [1, 70_000, 2, 21_846, 21_845, 200_000, 3].map((length) => `${'é'.repeat(length)}\n`)
    const output = lineOutput({ fd, delayMs: 1 })

    for (const line of lines) output.write(line)
    await until('the file', () => readFileSync(file, 'utf8').length >= lines.join('').length)
    output.write('last\n')
    await output.flush()

    const text = readFileSync(file, 'utf8')
    closeSync(fd)
    rmSync(folder, { recursive: true })
    expect(text === `${lines.join('')}last\n`).toBe(true)
  })
})
