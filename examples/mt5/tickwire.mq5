//+------------------------------------------------------------------+
//| Pushes ticks and candles of this terminal to `tickwire start`.   |
//|                                                                  |
//| NOT COMPILED HERE: MetaEditor runs on Windows only. See          |
//| README.md beside this file for the set-up.                       |
//+------------------------------------------------------------------+
#property copyright "MIT OR Apache-2.0"
#property version   "1.00"

input string ServerUrl         = "http://127.0.0.1:8000"; // as in the list of allowed URLs
input string Token             = "";                      // server.token
input string Exchange          = "mt5";                   // a-z, 0-9, - and _
input string Symbols           = "EURUSD=EUR/USD";        // BROKER=BASE/QUOTE,...
input bool   Candles           = true;                    // minutes, besides ticks
input int    BatchMilliseconds = 250;                     // one request this often
input int    TimeoutMs         = 2000;                    // for one request
input int    UtcOffsetMinutes  = -1;                      // broker's time minus UTC; -1: ask the terminal

// A request body is 64 KiB at most; a line has about 200 bytes.
#define LINES_PER_REQUEST 200

string   names[];      // the broker's
string   canonical[];  // BASE/QUOTE
int      digits[];
long     lastTick[];   // ms since 1970 in the broker's time, of the newest tick that was taken
MqlTick  newest[];
bool     isFresh[];    // the newest tick was not delivered yet
datetime lastClosed[]; // open time of the newest closed candle that was delivered
datetime lastForming[];// open time of the forming candle that was seen last
double   lastClose[];  // and its close
datetime sentClosed[]; // the same of what is in the request
datetime sentForming[];
double   sentClose[];
int      failures = 0;
datetime quietUntil = 0;

//+------------------------------------------------------------------+
int OnInit()
{
   if(Token == "")
   {
      Print("tickwire: the input Token is empty; pushing always needs one");
      return INIT_PARAMETERS_INCORRECT;
   }
   if(!ReadSymbols())
      return INIT_PARAMETERS_INCORRECT;
   if(!EventSetMillisecondTimer(MathMax(BatchMilliseconds, 50)))
   {
      Print("tickwire: no timer, error ", GetLastError());
      return INIT_FAILED;
   }
   return INIT_SUCCEEDED;
}

void OnDeinit(const int reason)
{
   EventKillTimer();
}

//+------------------------------------------------------------------+
//| EURUSD=EUR/USD,XAUUSD ; six letters need no right side.          |
//+------------------------------------------------------------------+
bool ReadSymbols()
{
   string parts[];
   int count = StringSplit(Symbols, ',', parts);
   for(int i = 0; i < count; i++)
   {
      string pair[];
      string part = parts[i];
      StringTrimLeft(part);
      StringTrimRight(part);
      if(part == "")
         continue;
      int sides = StringSplit(part, '=', pair);
      string name = pair[0];
      string symbol = "";
      if(sides == 2)
         symbol = pair[1];
      else if(StringLen(name) == 6)
         symbol = StringSubstr(name, 0, 3) + "/" + StringSubstr(name, 3, 3);
      if(StringFind(symbol, "/") < 1)
      {
         Print("tickwire: write ", name, "=BASE/QUOTE");
         return false;
      }
      StringToUpper(symbol);
      if(!SymbolSelect(name, true))
      {
         Print("tickwire: this broker has no symbol ", name);
         return false;
      }
      int n = ArraySize(names);
      ArrayResize(names, n + 1);
      ArrayResize(canonical, n + 1);
      ArrayResize(digits, n + 1);
      ArrayResize(lastTick, n + 1);
      ArrayResize(newest, n + 1);
      ArrayResize(isFresh, n + 1);
      ArrayResize(lastClosed, n + 1);
      ArrayResize(lastForming, n + 1);
      ArrayResize(lastClose, n + 1);
      ArrayResize(sentClosed, n + 1);
      ArrayResize(sentForming, n + 1);
      ArrayResize(sentClose, n + 1);
      names[n] = name;
      canonical[n] = symbol;
      digits[n] = (int)SymbolInfoInteger(name, SYMBOL_DIGITS);
      lastTick[n] = 0;
      isFresh[n] = false;
      lastClosed[n] = 0;
      lastForming[n] = 0;
      lastClose[n] = 0;
      sentClosed[n] = 0;
      sentForming[n] = 0;
      sentClose[n] = 0;
   }
   if(ArraySize(names) == 0)
      Print("tickwire: the input Symbols is empty");
   return ArraySize(names) > 0;
}

//+------------------------------------------------------------------+
//| Times of ticks and candles are the broker's: seconds to take off |
//| for UTC, to the quarter of an hour, as time zones are.           |
//+------------------------------------------------------------------+
long UtcOffset()
{
   if(UtcOffsetMinutes != -1)
      return (long)UtcOffsetMinutes * 60;
   double quarters = (double)(TimeTradeServer() - TimeGMT()) / 900.0;
   return (long)MathRound(quarters) * 900;
}

string Rfc3339(const long milliseconds)
{
   MqlDateTime t;
   TimeToStruct((datetime)(milliseconds / 1000), t);
   return StringFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       t.year, t.mon, t.day, t.hour, t.min, t.sec, (int)(milliseconds % 1000));
}

//+------------------------------------------------------------------+
void OnTimer()
{
   for(int i = 0; i < ArraySize(names); i++)
   {
      MqlTick tick;
      if(SymbolInfoTick(names[i], tick) && tick.time_msc > lastTick[i])
      {
         // Only the newest one counts: it replaces what was not delivered.
         lastTick[i] = tick.time_msc;
         newest[i] = tick;
         isFresh[i] = true;
      }
   }
   if(TimeLocal() < quietUntil)
      return;
   Deliver();
}

//+------------------------------------------------------------------+
//| One request, or as few as their size allows. What is delivered   |
//| is remembered only then.                                         |
//+------------------------------------------------------------------+
void Deliver()
{
   long offset = UtcOffset();
   string body = "";
   int lines = 0;
   int first = 0;
   for(int i = 0; i < ArraySize(names); i++)
   {
      if(isFresh[i])
      {
         body += TickLine(i, offset);
         lines++;
      }
      MqlRates rates[];
      if(Candles && NewCandles(i, rates))
      {
         int count = ArraySize(rates);
         for(int n = 0; n < count; n++)
         {
            body += CandleLine(i, rates[n], n < count - 1, offset);
            lines++;
         }
         if(count > 1)
            sentClosed[i] = rates[count - 2].time;
         sentForming[i] = rates[count - 1].time;
         sentClose[i] = rates[count - 1].close;
      }
      bool isLast = i == ArraySize(names) - 1;
      if(lines >= LINES_PER_REQUEST || (isLast && lines > 0))
      {
         if(!Post(body))
            return;
         Delivered(first, i);
         first = i + 1;
         body = "";
         lines = 0;
      }
   }
}

void Delivered(const int from, const int to)
{
   for(int i = from; i <= to; i++)
   {
      isFresh[i] = false;
      lastClosed[i] = sentClosed[i];
      lastForming[i] = sentForming[i];
      lastClose[i] = sentClose[i];
   }
}

//+------------------------------------------------------------------+
//| Candles of a minute that have closed since the last delivery, at |
//| most ten, and the forming one behind them; none if all is as it  |
//| was.                                                             |
//+------------------------------------------------------------------+
bool NewCandles(const int i, MqlRates &rates[])
{
   MqlRates recent[];
   int count = CopyRates(names[i], PERIOD_M1, 0, 11, recent);
   if(count < 1)
      return false;
   ArraySetAsSeries(recent, false); // oldest first
   int begin = count - 1;
   // The first time there is no history to send: only what forms.
   if(lastForming[i] != 0)
   {
      while(begin > 0 && recent[begin - 1].time > lastClosed[i] && recent[begin - 1].time >= lastForming[i])
         begin--;
   }
   MqlRates forming = recent[count - 1];
   if(begin == count - 1 && forming.time == lastForming[i] && forming.close == lastClose[i])
      return false;
   ArrayResize(rates, count - begin);
   for(int n = begin; n < count; n++)
      rates[n - begin] = recent[n];
   return true;
}

string TickLine(const int i, const long offset)
{
   string line = "{\"type\":\"ticker\",\"exchange\":\"" + Exchange + "\",\"symbol\":\"" + canonical[i] + "\"";
   if(newest[i].last > 0)
      line += ",\"price\":" + DoubleToString(newest[i].last, digits[i]);
   if(newest[i].bid > 0)
      line += ",\"bid\":" + DoubleToString(newest[i].bid, digits[i]);
   if(newest[i].ask > 0)
      line += ",\"ask\":" + DoubleToString(newest[i].ask, digits[i]);
   line += ",\"timestamp\":\"" + Rfc3339(newest[i].time_msc - offset * 1000) + "\"}\n";
   return line;
}

string CandleLine(const int i, const MqlRates &rate, const bool isClosed, const long offset)
{
   long open = ((long)rate.time - offset) * 1000;
   // Without real volume, as in forex, ticks are what there is.
   long volume = rate.real_volume > 0 ? rate.real_volume : rate.tick_volume;
   return "{\"type\":\"candle\",\"exchange\":\"" + Exchange + "\",\"symbol\":\"" + canonical[i]
          + "\",\"interval\":\"1m\",\"open_time\":\"" + Rfc3339(open)
          + "\",\"open\":" + DoubleToString(rate.open, digits[i])
          + ",\"high\":" + DoubleToString(rate.high, digits[i])
          + ",\"low\":" + DoubleToString(rate.low, digits[i])
          + ",\"close\":" + DoubleToString(rate.close, digits[i])
          + ",\"volume\":" + IntegerToString(volume)
          + ",\"trades\":" + IntegerToString((long)rate.tick_volume)
          + ",\"closed\":" + (isClosed ? "true" : "false") + "}\n";
}

//+------------------------------------------------------------------+
//| True: it was taken, or would never be.                           |
//+------------------------------------------------------------------+
bool Post(const string body)
{
   char data[];
   char answer[];
   string answerHeaders = "";
   int size = StringToCharArray(body, data, 0, WHOLE_ARRAY, CP_UTF8);
   // Without the zero at its end.
   ArrayResize(data, MathMax(size - 1, 0));
   string headers = "Content-Type: application/x-ndjson\r\nAuthorization: Bearer " + Token + "\r\n";
   ResetLastError();
   int status = WebRequest("POST", ServerUrl + "/api/v1/ingest", headers, TimeoutMs, data, answer, answerHeaders);
   if(status == -1)
   {
      int error = GetLastError();
      if(error == 4014)
         Print("tickwire: allow ", ServerUrl, " in Tools, Options, Expert Advisors");
      return Wait("no connection, error " + IntegerToString(error));
   }
   string text = CharArrayToString(answer, 0, WHOLE_ARRAY, CP_UTF8);
   if(status == 429 || status >= 500)
      return Wait("the server says " + IntegerToString(status) + " " + StringSubstr(text, 0, 200));
   if(status == 401 || status == 403 || status == 421)
      return Wait("the server says " + IntegerToString(status) + ": check Token and ServerUrl");
   failures = 0;
   if(status != 200 || StringFind(text, "\"rejected\":[]") < 0)
      Print("tickwire: ", status, " ", StringSubstr(text, 0, 500));
   return true;
}

//+------------------------------------------------------------------+
//| The longer it fails, the longer it is left alone: 1 s to 30 s.   |
//+------------------------------------------------------------------+
bool Wait(const string why)
{
   failures++;
   int pause = (int)MathMin(MathPow(2, MathMin(failures - 1, 5)), 30);
   quietUntil = TimeLocal() + pause;
   Print("tickwire: ", why, "; again in ", pause, " s");
   return false;
}
//+------------------------------------------------------------------+
