// Package histories checks vsclient with random histories: processes that write
// and read documents side by side, on an emulated API that lags, fails, loses
// replies and outlives the processes. Each history is drawn from a seed as a
// [plan.Plan], carried out in virtual time and judged against an explicit model of
// each key. A history that ends wrong is cut down to the fewest steps and faults
// that still fail, and comes back when it is run again from its record.
//
// The package itself runs a history and sums up many. The rooms below it are plan, gate, trail,
// client, model, course, people, rare, and the judges: readers, deeds and judge.
package histories
