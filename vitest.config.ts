import { defineConfig } from "vitest/config";

const slow = ["**/*.kill.test.ts", "**/*.real.test.ts", "**/*.year.test.ts"];

export default defineConfig({
  test: {
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
