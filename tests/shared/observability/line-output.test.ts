import { describe, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lineOutput } from '../../../shared/observability/line-output.ts'

describe('log lines', () => {
  test('all arrive, once and in order, long ones and those of many bytes a character too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lines-'))
    const file = join(folder, 'log')
    const fd = openSync(file, 'w')
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index} ${'€'.repeat(index % 50)}\n`)
    lines[5000] = `${'long '.repeat(100_000)}\n`

    const output = lineOutput({ fd })
    for (const [index, line] of lines.entries()) {
      output.write(line)
      if (index % 1000 === 0) await Bun.sleep(1)
    }
    await output.flush()
    closeSync(fd)

    expect(readFileSync(file, 'utf8') === lines.join('')).toBe(true)
    rmSync(folder, { recursive: true })
  })

  test('that nobody takes are dropped, and counted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lines-'))
    const file = join(folder, 'log')
    const fd = openSync(file, 'w')

    const output = lineOutput({ fd, maxPendingBytes: 0 })
    for (let count = 0; count < 10_000; count += 1) output.write(`{"text":"${'x'.repeat(200)}"}\n`)
    await output.flush()
    closeSync(fd)

    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0)
    expect(dropped).toBeGreaterThan(0)
    expect(lines.filter((line) => line.text).length + dropped).toBe(10_000)
    rmSync(folder, { recursive: true })
  })
})
