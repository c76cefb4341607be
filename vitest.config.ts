import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const slow = ["**/*.kill.test.ts", "**/*.real.test.ts", "**/*.year.test.ts"];

/** A year takes five minutes in one worker: begun last, it would leave the other idle. */
class YearFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isYear = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith(".year.test.ts");
    return [...sorted.filter(isYear), ...sorted.filter((file) => !isYear(file))];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: YearFirst },
    // Two cores: more workers only make each other slow.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: "main", include: ["src/**/*.test.ts", "test/**/*.test.ts"], exclude: slow },
      },
      { extends: true, test: { name: "year", include: ["test/**/*.year.test.ts"], testTimeout: 20 * 60_000 } },
      { extends: true, test: { name: "kill", include: ["test/**/*.kill.test.ts"], testTimeout: 20 * 60_000 } },
      {
        extends: true,
        test: { name: "real", include: ["src/**/*.real.test.ts", "test/**/*.real.test.ts"], testTimeout: 10 * 60_000 },
      },
    ],
  },
});
