// How a peer in Go talks with the driver: the same lines as peer.h, which says what they mean.

package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An operation is what one caller does again and again.
type operation func() error

// A question is something that a peer can be asked to do, and to be measured at.
type question struct {
	name    string
	prepare func(caller, callers int) operation // not measured
	batch   int                                 // operations between two looks at the clock
	once    bool                                // one operation, whatever the time
}

// A peer is one way to keep sessions.
type peer interface {
	name() string
	version() string
	fill(sessions int) error
	questions() []question
	sessions() int
	close() error
}

type options struct {
	folder   string
	sessions int
	callers  int
}

func parseOptions() options {
	var chosen options
	flag.StringVar(&chosen.folder, "folder", "", "an empty folder to keep everything in")
	flag.IntVar(&chosen.sessions, "sessions", 10000, "how many sessions to fill before measuring")
	flag.IntVar(&chosen.callers, "callers", 64, "the most callers at a time")
	flag.Parse()
	if chosen.folder == "" || chosen.sessions < 1 || chosen.callers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	return chosen
}

// check ends the program unless all is well: what did not happen must not be measured.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(fields map[string]interface{}) {
	line, err := json.Marshal(fields)
	check(err)
	fmt.Println(string(line))
}

// serve fills the peer and obeys the lines of standard input until "quit" or its end.
func serve(p peer, chosen options) {
	endWithDriver()
	begin := time.Now()
	check(p.fill(chosen.sessions))
	names := []string{}
	for _, q := range p.questions() {
		names = append(names, q.name)
	}
	answer(map[string]interface{}{
		"ready":        true,
		"peer":         p.name(),
		"version":      p.version(),
		"questions":    names,
		"fill_seconds": time.Since(begin).Seconds(),
	})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() && obey(p, chosen, strings.Fields(lines.Text())) {
	}
	check(p.close())
}

// endWithDriver lets nothing of a measurement outlive the driver.
func endWithDriver() {
	runtime.LockOSThread() // the signal comes when the parent ends, but is asked for by a thread
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
}

// obey returns whether there is more to come.
func obey(p peer, chosen options, words []string) bool {
	switch {
	case len(words) == 1 && words[0] == "quit":
		return false
	case len(words) == 1 && words[0] == "size":
		answer(map[string]interface{}{"bytes": diskBytes(chosen.folder), "sessions": p.sessions()})
	case len(words) == 4 && words[0] == "measure":
		answer(measureWords(p, chosen, words[1], words[2], words[3]))
	default:
		answer(problem("not understood: " + strings.Join(words, " ")))
	}
	return true
}

func problem(what string) map[string]interface{} {
	return map[string]interface{}{"error": what}
}

func measureWords(p peer, chosen options, name, callers, seconds string) map[string]interface{} {
	count, err := strconv.Atoi(callers)
	if err != nil || count < 1 || count > chosen.callers {
		return problem("not a number of callers: " + callers)
	}
	limit, err := strconv.ParseFloat(seconds, 64)
	if err != nil || limit <= 0 {
		return problem("not a number of seconds: " + seconds)
	}
	for _, q := range p.questions() {
		if q.name == name {
			return measure(q, count, time.Duration(limit*float64(time.Second)))
		}
	}
	return problem("unknown question: " + name)
}

// A period is what is measured. Callers begin before it, and end after it.
type period struct {
	begin, end time.Time
}

// A tally is what one caller saw.
type tally struct {
	total     int             // operations, those before and after the period included
	latencies []time.Duration // of batches that ended in the period
}

func measure(q question, callers int, limit time.Duration) map[string]interface{} {
	operations := make([]operation, callers)
	for i := range operations {
		operations[i] = q.prepare(i, callers)
	}
	runtime.GC()
	if q.once {
		return measureOnce(q, operations[0])
	}
	begin := time.Now().Add(limit / 10)
	measured := period{begin, begin.Add(limit)}
	tallies := make([]tally, callers)
	var done sync.WaitGroup
	for i := range operations {
		done.Add(1)
		go func(caller int) {
			defer done.Done()
			tallies[caller] = repeat(q, operations[caller], measured)
		}(i)
	}
	time.Sleep(time.Until(measured.begin))
	cpuBefore := cpuTime()
	time.Sleep(time.Until(measured.end))
	cpu := cpuTime() - cpuBefore
	done.Wait()
	return result(q, tallies, limit, cpu)
}

func measureOnce(q question, do operation) map[string]interface{} {
	cpuBefore := cpuTime()
	begin := time.Now()
	check(do())
	took := time.Since(begin)
	return result(q, []tally{{1, []time.Duration{took}}}, took, cpuTime()-cpuBefore)
}

func repeat(q question, do operation, measured period) tally {
	var seen tally
	for before := time.Now(); before.Before(measured.end); {
		for i := 0; i < q.batch; i++ {
			check(do())
		}
		after := time.Now()
		seen.total += q.batch
		if !after.Before(measured.begin) && after.Before(measured.end) {
			seen.latencies = append(seen.latencies, after.Sub(before))
		}
		before = after
	}
	return seen
}

func result(q question, tallies []tally, elapsed, cpu time.Duration) map[string]interface{} {
	all := []time.Duration{}
	total := 0
	for _, seen := range tallies {
		all = append(all, seen.latencies...)
		total += seen.total
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	operations := len(all) * q.batch
	fields := map[string]interface{}{
		"question":   q.name,
		"callers":    len(tallies),
		"operations": operations,
		"total":      total,
		"seconds":    elapsed.Seconds(),
		"per_second": float64(operations) / elapsed.Seconds(),
		"p50_us":     percentile(all, 0.50) / float64(q.batch),
		"p99_us":     percentile(all, 0.99) / float64(q.batch),
		"cpu_us":     0.0,
	}
	if operations > 0 {
		fields["cpu_us"] = micros(cpu) / float64(operations)
	}
	return fields
}

// percentile is in microseconds; 0 of none.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	place := int(share * float64(len(sorted)))
	if place == len(sorted) {
		place--
	}
	return micros(sorted[place])
}

func micros(d time.Duration) float64 {
	return float64(d) / float64(time.Microsecond)
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// diskBytes is what the files below the folder take on the disk.
func diskBytes(folder string) int64 {
	var bytes int64
	check(filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	}))
	return bytes
}
