// The contract of tests/bench on grpc-go, as its documentation writes servers and clients.
//
//	echo server PORT [CERTIFICATE KEY]
//	echo client PORT IN_FLIGHT SECONDS
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"bench/pb"
)

type echo struct{ pb.UnimplementedEchoServer }

func (echo) Ping(_ context.Context, in *pb.Empty) (*pb.Empty, error)     { return in, nil }
func (echo) Call(_ context.Context, in *pb.Order) (*pb.Order, error)     { return in, nil }
func (echo) Copy(_ context.Context, in *pb.Payload) (*pb.Payload, error) { return in, nil }

func (echo) Chat(stream grpc.BidiStreamingServer[pb.Payload, pb.Payload]) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(in); err != nil {
			return err
		}
	}
}

func (echo) Upload(stream grpc.ClientStreamingServer[pb.Payload, pb.Amount]) error {
	amount := &pb.Amount{}
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(amount)
		}
		if err != nil {
			return err
		}
		amount.Messages++
		amount.Bytes += uint32(len(in.Body))
	}
}

func (echo) Download(in *pb.Amount, stream grpc.ServerStreamingServer[pb.Payload]) error {
	if in.Messages == 0 {
		return nil
	}
	payload := &pb.Payload{Body: make([]byte, in.Bytes/in.Messages)}
	for i := uint32(0); i < in.Messages; i++ {
		if err := stream.Send(payload); err != nil {
			return err
		}
	}
	return nil
}

func serve(port string, tls []string) error {
	var options []grpc.ServerOption
	if len(tls) == 2 {
		creds, err := credentials.NewServerTLSFromFile(tls[0], tls[1])
		if err != nil {
			return err
		}
		options = append(options, grpc.Creds(creds))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	pb.RegisterEchoServer(server, echo{})
	return server.Serve(listener)
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func drive(port string, inFlight int, seconds float64) error {
	conn, err := grpc.NewClient("127.0.0.1:"+port,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	stub := pb.NewEchoClient(conn)
	order := &pb.Order{
		Id: "0192f0c1-7a2b-7c3d", CreatedMs: 1763712000000,
		Customer: &pb.Customer{Name: "Ada", Email: "ada@example.org"},
		Lines: []*pb.Line{
			{ProductId: "odyssey", Quantity: 2, PriceMinor: 9999},
			{ProductId: "argo", Quantity: 1, PriceMinor: 4999},
		},
		Express: true, Labels: map[string]string{"k": "v"}, Discount: 0.1,
	}
	var calls atomic.Int64
	for i := 0; i < inFlight; i++ {
		go func() {
			for {
				answer, err := stub.Call(context.Background(), order)
				if err != nil || answer.Id != order.Id {
					log.Fatal("wrong answer: ", err)
				}
				calls.Add(1)
			}
		}()
	}
	duration := time.Duration(seconds * float64(time.Second))
	time.Sleep(duration / 4)
	callsBefore, cpuBefore, started := calls.Load(), cpuSeconds(), time.Now()
	time.Sleep(duration)
	fmt.Println(calls.Load()-callsBefore, time.Since(started).Seconds(), cpuSeconds()-cpuBefore)
	return nil
}

func main() {
	var err error
	switch {
	case len(os.Args) >= 3 && os.Args[1] == "server":
		err = serve(os.Args[2], os.Args[3:])
	case len(os.Args) == 5 && os.Args[1] == "client":
		inFlight, _ := strconv.Atoi(os.Args[3])
		seconds, _ := strconv.ParseFloat(os.Args[4], 64)
		err = drive(os.Args[2], inFlight, seconds)
	default:
		log.Fatal("usage: echo server PORT [CERTIFICATE KEY] | echo client PORT IN_FLIGHT SECONDS")
	}
	if err != nil {
		log.Fatal(err)
	}
}
