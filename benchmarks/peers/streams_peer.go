// Streams as a plain Go package keeps them: one mutex, a map from id to stream, and a baton that is
// base64url of {id, generation, HMAC-SHA256}, whose HMAC is set up anew for each use.

package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	idBytes   = 16
	bodyBytes = idBytes + 8 // the generation
)

var (
	errForged    = errors.New("forged")
	errNotFound  = errors.New("no such stream")
	errForbidden = errors.New("another's stream")
	errReplayed  = errors.New("replayed")
	errBusy      = errors.New("busy")
)

type streamID [idBytes]byte

type stream struct {
	id         streamID
	generation uint64
	database   string
	principal  string
	busy       bool
	lastUsed   time.Time
}

type registry struct {
	key     []byte
	mutex   sync.Mutex
	streams map[streamID]*stream // guarded by mutex, and so is what they hold
}

func newRegistry() (*registry, error) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return &registry{key: key, streams: map[streamID]*stream{}}, err
}

// open starts a stream and returns its first baton.
func (r *registry) open(database, principal string) (string, error) {
	added := &stream{database: database, principal: principal, lastUsed: time.Now()}
	if _, err := rand.Read(added.id[:]); err != nil {
		return "", err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.streams[added.id] = added
	return r.mint(added.id, added.generation), nil
}

func (r *registry) mac(body []byte) []byte {
	mac := hmac.New(sha256.New, r.key)
	mac.Write(body)
	return mac.Sum(nil)
}

func (r *registry) mint(id streamID, generation uint64) string {
	body := make([]byte, bodyBytes, bodyBytes+sha256.Size)
	copy(body, id[:])
	binary.BigEndian.PutUint64(body[idBytes:], generation)
	return base64.RawURLEncoding.EncodeToString(append(body, r.mac(body)...))
}

func (r *registry) verify(baton string) (streamID, uint64, error) {
	var id streamID
	bytes, err := base64.RawURLEncoding.DecodeString(baton)
	if err != nil || len(bytes) != bodyBytes+sha256.Size {
		return id, 0, errForged
	}
	if !hmac.Equal(bytes[bodyBytes:], r.mac(bytes[:bodyBytes])) {
		return id, 0, errForged
	}
	copy(id[:], bytes)
	return id, binary.BigEndian.Uint64(bytes[idBytes:]), nil
}

// acquire takes a turn. Like release, it does all of it under the mutex.
func (r *registry) acquire(baton, database, principal string) (*stream, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	id, generation, err := r.verify(baton)
	if err != nil {
		return nil, err
	}
	found, ok := r.streams[id]
	switch {
	case !ok:
		return nil, errNotFound
	case found.database != database || found.principal != principal:
		return nil, errForbidden
	case found.generation != generation:
		return nil, errReplayed
	case found.busy:
		return nil, errBusy
	}
	found.busy = true
	return found, nil
}

// release ends the turn and returns the next baton.
func (r *registry) release(held *stream) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	held.generation++
	held.lastUsed = time.Now()
	held.busy = false
	return r.mint(held.id, held.generation)
}

// streamsPeer holds the newest baton of each stream, as its clients would.
type streamsPeer struct {
	registry   *registry
	batons     []string
	databases  []string
	principals []string
}

func (p *streamsPeer) name() string    { return "go_streams" }
func (p *streamsPeer) version() string { return runtime.Version() }
func (p *streamsPeer) sessions() int   { return len(p.batons) }
func (p *streamsPeer) close() error    { return nil }

func (p *streamsPeer) fill(count int) error {
	var err error
	if p.registry, err = newRegistry(); err != nil {
		return err
	}
	for i := 0; i < count; i++ {
		database := fmt.Sprintf("database-%02d", i%20)
		principal := fmt.Sprintf("principal-%06d@example.com", i/4)
		baton, err := p.registry.open(database, principal)
		if err != nil {
			return err
		}
		p.batons = append(p.batons, baton)
		p.databases = append(p.databases, database)
		p.principals = append(p.principals, principal)
	}
	return nil
}

func (p *streamsPeer) questions() []question {
	return []question{
		{name: "verify", prepare: p.verifying, batch: 100},
		{name: "stream_turn", prepare: p.turning, batch: 100},
	}
}

// each gives a caller the streams that are its own, one after another, for ever.
func (p *streamsPeer) each(caller, callers int) func() int {
	next := caller % len(p.batons)
	return func() int {
		chosen := next
		if next += callers; next >= len(p.batons) {
			next = caller % len(p.batons)
		}
		return chosen
	}
}

func (p *streamsPeer) verifying(caller, callers int) operation {
	next := p.each(caller, callers)
	return func() error {
		_, _, err := p.registry.verify(p.batons[next()])
		return err
	}
}

func (p *streamsPeer) turning(caller, callers int) operation {
	next := p.each(caller, callers)
	return func() error {
		i := next()
		held, err := p.registry.acquire(p.batons[i], p.databases[i], p.principals[i])
		if err != nil {
			return err
		}
		p.batons[i] = p.registry.release(held)
		return nil
	}
}

func main() {
	chosen := parseOptions()
	serve(&streamsPeer{}, chosen)
}
