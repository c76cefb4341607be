import { DuckDBConnection } from "@duckdb/node-api";
const totals=new Map<string,[number,number,number]>();
for (const m of ["run","runAndReadAll"] as const){
  const orig=(DuckDBConnection.prototype as any)[m];
  (DuckDBConnection.prototype as any)[m]=async function(sql:string,...a:any[]){const b=performance.now(),u=process.cpuUsage();try{return await orig.call(this,sql,...a)}finally{const d=process.cpuUsage(u);const k=sql.replace(/\s+/g," ").slice(0,110);const t=totals.get(k)??[0,0,0];t[0]+=performance.now()-b;t[1]+=(d.user+d.system)/1000;t[2]++;totals.set(k,t)}};
}
process.argv=[process.argv[0]!,process.argv[1]!,...process.argv.slice(2)];
await import("./retail.ts");
for(const [k,[ms,cpu,n]] of [...totals].sort((a,b)=>b[1][1]-a[1][1]).slice(0,25)) console.log(Math.round(ms),Math.round(cpu),n,k);
